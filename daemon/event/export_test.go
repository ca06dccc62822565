package event

// Size is what an event's texts count for the bound.
func Size(e Event) int { return e.size() }
