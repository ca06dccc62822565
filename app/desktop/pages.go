package desktop

// pages are those of the View menu, in the order in which the page's own menu has them. A test compares the two.
var pages = []struct{ title, path string }{
	{"Overview", "/"},
	{"Playground", "/playground"},
	{"Calls", "/calls"},
	{"Models", "/models"},
	{"Routing", "/routing"},
	{"Cache", "/cache"},
	{"Costs", "/costs"},
	{"Audit", "/audit"},
	{"Health", "/health"},
	{"Settings", "/settings"},
	{"First steps", "/welcome"},
}
