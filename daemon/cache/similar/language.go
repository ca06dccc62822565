package similar

// language names the language of a text, as far as its small words tell; empty when they do not.
func language(ws []word) string {
	best, second, name := 0, 0, ""
	for i := range tongues {
		n := 0
		for _, w := range ws {
			if !w.quoted && !w.code && tongues[i].words[w.raw] {
				n++
			}
		}
		switch {
		case n > best:
			best, second, name = n, best, tongues[i].name
		case n > second:
			second = n
		}
	}
	if best < 2 || best == second {
		return ""
	}
	return name
}

var tongues = []struct {
	name  string
	words map[string]bool
}{
	{"English", set(`the a an is are was were do does did how what why when where who which of to in on at for with from by and or not can could should would will
my your his her i you he she we they it this that there have has be if than as explain tell me give write list name about`)},
	{"German", set(`der die das den dem des ein eine einen einem einer ist sind war waren wie was warum wann wo wer welche welcher welches von zu im auf bei für
mit aus und oder nicht kein keine kann können soll muss ich du er sie es wir ihr mein meine dein haben hat man wird werden erkläre mir gib schreibe nenne über zum zur am`)},
	{"French", set(`le la les un une des du de est sont était comment que quoi pourquoi quand où qui quel quelle quels quelles à au aux dans en sur pour avec et ou
ne pas peut puis dois je tu il elle nous vous ils mon ma mes ton votre son sa ce cette fait faire ont par explique moi donne écris d' l' qu'`)},
	{"Spanish", set(`el la los las un una unos de del es son era cómo como qué que porqué por cuándo dónde quién cuál cuáles en a al para con y o no puedo puede
debo yo tú él ella nosotros mi mis tu su se hay tiene hacer explica dime dame escribe`)},
	{"Portuguese", set(`o a os as um uma de do da dos das é são era como que quê porque quando onde quem qual quais em no na para com e ou não posso pode devo eu tu
ele ela nós meu minha seu sua se há tem fazer explique`)},
	{"Italian", set(`il lo la i gli le un uno una di del della è sono era come che cosa perché quando dove chi quale quali in nel nella a al per con e o non posso può
devo io tu lui lei noi mio mia tuo si ha fare spiega dammi scrivi`)},
	{"Dutch", set(`de het een is zijn was waren hoe wat waarom wanneer waar wie welke van naar in op bij voor met uit en of niet geen kan kunnen moet ik jij je hij
zij wij mijn jouw heeft hebben men wordt maak leg schrijf geef`)},
}
