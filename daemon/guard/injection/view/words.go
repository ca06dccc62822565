package view

import (
	"iter"
	"strings"
)

// class is what a word may do in a sign: bits, as a word may do several things.
type class uint32

const (
	ignoring   class = 1 << iota // ignore, forget: an order to leave something aside
	dropping                     // drop, override: such an order only beside an object that leaves no doubt
	earlier                      // previous, above, all, your: which ones
	orders                       // instructions, rules: what models are given
	weak                         // with orders: other things are called so too
	everything                   // everything, all that
	whole                        // everything: more would be idle
	told                         // told, know, said: what the model has from its past
	above                        // above, before, so far
	link                         // and, then: what follows an order that is complete
	asking                       // what
	negation                     // not, never
	telling                      // show, print, reveal
	given                        // system, initial, hidden: whose prompt
	prompts                      // prompt, prompts
	free                         // no, without, beyond: before bounds
	bounds                       // restrictions, filters, morals
	unbound                      // unfiltered, jailbroken
	talk                         // injection, attack, detect, explain: of one who talks of attacks
	roles                        // system, assistant, user: who speaks in a chat
	you                          // you
	now                          // now
	master                       // developer, creator, administrator: who claims a right
	anyOrder                     // with ignoring: the object may stand before it, as in Japanese, Korean, Turkish
	done                         // do, anything: of do anything now
	news                         // new, following
	rotated                      // the commonest words of English, turned by ROT13
	rotName                      // rot13
	self                         // I am, as: before a claim
	your                         // your
)

// lists holds the words of each class, folded as a view folds them. Chinese and Japanese words stand as pairs of runes, Korean ones as
// their first two syllables.
func lists() iter.Seq2[class, string] {
	return func(yield func(class, string) bool) {
		for _, l := range []struct {
			class class
			words string
		}{
			{ignoring, `ignore ignoring ignor igmre ingore disregard disregards disregarding forget forgets forgetting neglect
				ignoriere ignorieren ignoriert vergiss vergessen vergesst vergesse missachte missachten
				ignorez ignorer oublie oubliez oublier ignora ignorar ignoren olvida olvide olviden olvidar olvidate
				ignorate ignori dimentica dimenticate dimentichi scorda esqueca esquecer esqueces desconsidere desconsidera desconsiderar
				negeer negeert vergeet zignoruj ignoruj zapomnij ignorujte zapomen zapomente zaboravi zaboravite ignoriraj ignorirajte zanemari
				glom ignorera glem ignorer unohda uita ignorati
				игнорируй игнорируйте игнорировать проигнорируй проигнорируйте забудь забудьте забыть ігноруй ігноруйте забудь
				αγνοησε αγνοηστε αγνοήστε αγνόησε ξεχασε ξεχάστε ξέχασε
				تجاهل تجاهلي تجاهلوا انس انسى התעלם שכח`},
			{ignoring | anyOrder, `忽略 无视 無視 忘记 忘掉 忘記 忘れ 不理 무시 잊어 잊고 unut unutun yoksay görmezden gormezden अनदेखा भूल नजरअंदाज`},
			{dropping, `drop discard override overrides overriding bypass bypassing skip erase delete reset change cancel abandon remove circumvent
				ersetze losche andere umgehe ubergehe verwirf annule efface anula borra cambia annulla cambie abweichend leave`},
			{earlier, `previous previously prior above all every any earlier preceding foregoing your those these old initial original past former existing current
				alle allen aller alles vorherigen vorherige vorheriger vorangehenden vorigen obigen obige bisherigen bisherige vorangegangenen fruheren deine ihre deiner alten
				toutes tous precedentes precedents anterieures tes vos ci
				todas todos anteriores previas previos tus sus
				tutte tutti precedenti tue as os anteriores suas
				eerdere vorige bovenstaande alle je wszystkie poprzednie wczesniejsze sve prethodne ranije vsechny predchozi
				tidigare alla tidligere
				все предыдущие прежние предыдущих всі попередні
				προηγουμενες προηγούμενες ολες όλες
				السابقة جميع كل הקודמות כל
				之前 以上 以前 先前 前面 所有 上述 上面 此前 全部 すべ 全て これ 上記 이전 위의 모든 기존 onceki tum butun yukaridaki पिछले सभी`},
			{orders, `instructions instruction instructons instrucitons intructions directions direction directive directives guidelines guideline rules orders
				prompting briefing
				anweisungen anweisung instruktionen instruktion befehle befehl auftrage auftraege aufgaben regeln vorgaben richtlinien hinweise informationen
				consignes consigne regles directives ordres
				instrucciones instruccion ordenes reglas indicaciones
				istruzioni istruzione regole ordini instrucoes instrucao regras ordens
				instructies regels opdrachten instrukcje instrukcji polecenia zasady instrukcije upute uputstva instrukce pokyny instruktioner regler instrukser ohjeet
				инструкции инструкций указания указаний правила команды інструкції вказівки
				οδηγιες οδηγίες εντολες εντολές
				التعليمات تعليمات الأوامر القواعد ההוראות הוראות
				指示 指令 命令 规则 規則 說明 説明 设定 設定 지시 명령 규칙 지침 talimatlari talimatlar talimatları komutlari kurallari निर्देशों निर्देश`},
			{orders | weak, `commands command programming training context messages documents artikels assignments tasks information conversation`},
			{everything, `everything all anything alles alle tout todo tudo tutto sve wszystko всё все toda`},
			{whole, `everything alles tout todo tudo tutto sve wszystko всё`},
			{told, `told said know knew discussed talked learned learnt mentioned gesagt gesagte gesagten weisst dit dicho dije sabes detto disse rekao сказал сказали`},
			{above, `before above earlier previously prior past previous davor zuvor bisher vorher obige obigen avant precede anterior antes prima`},
			{link, `and or then instead just only but und oder dann et ou y o e ed en i и`},
			{asking, `what whats which was wie welche lautet lauten quel quelles cual cuales que`},
			{negation, `not dont never cant cannot nicht nie niemals ne pas no nunca non nao shouldnt wont didnt`},
			{telling, `reveal show print output repeat display tell give share leak expose dump recite disclose return list spell copy
				zeige zeig drucke drucken gib nenne verrate wiederhole montre affiche revele repete muestra muestrame revela imprime repite dime mostra ripeti`},
			{given, `system initial original hidden secret full entire your own
				dein deine deinen deiner ihr ihre ihren gesamten gesamte vollstandigen urspringlichen ton tes vos tu tus suo tue`},
			{prompts, `prompt prompts systemprompt prompttext prompttexte eingabeaufforderung embeddings preprompt`},
			{free, `no without any free beyond bypass bypasses disregards regardless lacks zero nor unbound break broken breaks
				keine ohne sans sin senza sem`},
			{bounds, `restriction restrictions filter filters limitation limitations limits censorship morals ethics ethic moral ethical guidelines laws rules legality illegality morality
				boundaries constraints disclaimers warnings scruples principles
				einschrankungen regeln filter grenzen moral limites restricciones restricoes restrizioni`},
			{unbound, `unfiltered unfiltred uncensored unrestricted unhinged amoral jailbroken jailbreak jailbreaked dan uninhibited unbounded ungefiltert unzensiert`},
			{talk, `injection injections attack attacks attacker attackers detect detects detection detecting defend defense defence prevent preventing prevention protect
				protecting mitigate mitigation owasp vulnerability vulnerabilities explain phrase phrases example examples means meaning called researchers malicious paper
				satz sentence sentences inputs filter filters blocks
				angriff angriffe erkennen schutzen erklare bedeutet beispiel`},
			{roles, `system assistant developer`},
			{you, `you du sie tu vous usted`},
			{now, `now jetzt nun maintenant ahora ora agora onwards on`},
			{master, `developer developers creator administrator admin programmer owner maintainer god boss officer supervisor
				entwickler chef desarrollador developpeur`},
			{self, `i im ich je soy sono sou as`},
			{your, `your dein ihr tu votre ton su tuo seu`},
			{done, `do anything`},
			{news, `new following neue neuen neuer folgende nouvelle nouvelles nueva nuevas nuove novas`},
			{rotated, `gur naq lbh lbhe jvgu sbe guvf gung jung ubj pna jevgr`},
			{rotName, `rot00`},
		} {
			if !yield(l.class, l.words) {
				return
			}
		}
	}
}

// classes gives the class of a word by its hash.
func classes() map[uint32]class {
	m := map[uint32]class{}
	for class, words := range lists() {
		for word := range fields(words) {
			runes := []rune(word)
			for i, c := range runes {
				if l := folded(c); l != 0 {
					runes[i] = l
				}
			}
			m[hashOf(runes)] |= class
		}
	}
	return m
}

func fields(words string) iter.Seq[string] { return strings.FieldsSeq(words) }
