package similar

// The lists. All are plain text, a line an entry, so that a word is added without touching code.
//
// Synonyms are the ones to be careful with: a word belongs to a line only if it may replace the others in nearly every question
// without another answer being right. Too few cost hits; one too many gives a wrong answer.

const lightWords = `
the a an that those there here it its itself such so really actually exactly truly very quite rather basically simply pretty
sometime please kindly thanks thank hi hello hey dear ok okay well oh just currently now presently considered called referred kind sort thing things
etc also then any some certain various particular specific own personally maybe perhaps especially exist exists ever
`

const modals = `
can = can could
may = may might
must = must
should = should ought shall
will = will 'll
would = would 'd
`

// foreign are the small words of other languages, by class. They count in texts of that language only: die is no article in English.
const foreign = `
German light der die das den dem des ein eine einen einem einer eines bitte denn eigentlich es sich mal doch so
German being ist sind war waren sein bin bist
German having hat habe haben hast
German modal can = kann kannst könnte können
German modal may = darf dürfen
German modal must = muss müssen
German modal should = sollte soll sollen
German modal will = wird werden
German pronoun i = ich mir mich mein meine meinen meinem meiner
German pronoun you = du dir dich dein deine deinen ihr
German pronoun he = er ihn ihm
German pronoun they = sie ihre
German pronoun we = wir uns unser unsere
German pronoun one = man
German negation not = nicht kein keine keinen keinem
German negation never = nie niemals
German negation without = ohne
German asking how = wie
German asking why = warum wieso weshalb
German asking what = was welche welcher welches
German asking when = wann
German asking where = wo
German asking who = wer wem wen
German asking whether = ob
German place in = in im am auf bei an
German place of = von vom
German place for = für
German place to = zu zum zur nach
German place with = mit
German place by = durch
German place about = über
German place from = aus
German and und
German condition wenn falls
French light le la les l' un une des d' du de c' ce s' se plait qu' que donc
French being est sont était étaient
French having a ont as ai
French modal can = puis peux peut pouvez
French modal must = dois doit
French pronoun i = je j' me m' mon ma mes moi
French pronoun you = tu te ton ta tes vous votre vos
French pronoun he = il
French pronoun she = elle
French pronoun we = nous notre nos
French pronoun they = ils leur leurs
French pronoun one = on
French negation not = pas
French negation no = aucun aucune
French negation never = jamais
French negation without = sans
French light ne n' t
French asking how = comment
French asking why = pourquoi
French asking what = quel quelle quels quelles quoi
French asking when = quand
French asking where = où
French asking who = qui
French place in = dans en sur
French place to = à au aux
French place for = pour
French place with = avec
French place by = par
French place from = depuis
French and et
French condition si
Spanish light el la los las un una unos unas lo de del favor
Spanish being es son era eran está están
Spanish having ha han he
Spanish modal can = puedo puede puedes pueden
Spanish modal must = debo debe deben
Spanish pronoun i = yo me mi mis
Spanish pronoun you = tú te tu tus usted
Spanish pronoun they = su sus ellos
Spanish negation not = no
Spanish negation never = nunca
Spanish negation without = sin
Spanish asking how = cómo como
Spanish asking why = porqué
Spanish asking what = qué que cuál cuáles
Spanish asking when = cuándo
Spanish asking where = dónde
Spanish asking who = quién quiénes
Spanish place in = en
Spanish place to = a al
Spanish place for = para
Spanish place with = con
Spanish place by = por
Spanish place from = desde
Spanish and y e
Spanish condition si
`

const pastWords = "did was were had"

const pronouns = `
i = i
me = me myself
my = my mine
you = you yourself yourselves u
your = your yours ur
he = he
him = him himself
his = his
she = she
her = her hers herself
we = we
us = us ourselves
our = our ours
they = they
them = them themselves
their = their theirs
this = this these
people = people humans persons person folks mankind humankind humanity
one = oneself
`

const negations = `
not = not n't non
never = never
without = without
no = no none nobody nothing nowhere neither nor
hardly = hardly barely scarcely seldom rarely
fail = fail fails failed failing lack lacks lacking refuse refuses refused
except = except excluding unless
`

const askings = `
how = how
why = why
what = what which
when = when
where = where
who = who whom
whose = whose
whether = whether
`

const places = `
in = in on at within inside upon
of = of
for = for
to = to into onto towards
with = with using
by = by
about = about regarding concerning
from = from
as = as
than = than
via = via
per = per
between = between among amongst
's = 's
`

// lemmas: a line is a word and its irregular forms, other spellings and usual misspellings.
const lemmas = `
go goes went gone going
child children kid kids
man men
woman women
mouse mice
foot feet
tooth teeth
goose geese
wife wives
life lives
leaf leaves
loaf loaves
half halves
wolf wolves
shelf shelves
knife knives
bacterium bacteria
criterion criteria
phenomenon phenomena
datum data
analysis analyses
crisis crises
thesis theses
basis bases
octopus octopuses octopi
cactus cacti
virus viruses
bus buses
focus focuses
campus campuses
make made making makes
take took taken taking
give gave given giving
get got gotten getting
find found finding
know knew known knowing
think thought thinking
say said saying
tell told telling
see saw seen seeing
write wrote written writing
read reading
speak spoke spoken speaking
buy bought buying
sell sold selling
build built building
send sent sending
spend spent spending
lend lent lending
lose lost losing loose
win won winning
begin began begun beginning begining
run ran running
come came coming
become became becoming
keep kept keeping
sleep slept sleeping
feel felt feeling
leave leaving
mean meant meaning
meet met meeting
pay paid paying
hold held holding
stand stood standing
understand understood understanding
teach taught teaching
catch caught catching
bring brought bringing
fight fought fighting
eat ate eaten eating
drink drank drunk drinking
drive drove driven driving
ride rode ridden riding
rise rose risen rising
fall fell fallen falling
fly flew flown flying flies
grow grew grown growing
throw threw thrown throwing
show showed shown showing
draw drew drawn drawing
choose chose chosen choosing
break broke broken breaking
steal stole stolen stealing
freeze froze frozen freezing
forget forgot forgotten forgetting
hide hid hidden hiding
bite bitten biting
sing sang sung singing
swim swam swum swimming
wear wore worn wearing
tear tore torn
lie lied lying
die died dying dies
tie tied tying ties
use used using uses
dye dyed dyeing dyes
agree agreed agreeing
free freed freeing
see seeing
be being
set setting
put putting
cut cutting
hit hitting
quit quitting
shut shutting
sit sat sitting
bear bore borne
swing swung
shoot shot shooting
lead led leading
feed fed feeding
breed bred breeding
bleed bled bleeding
hear heard hearing
sweep swept
deal dealt dealing
dream dreamt dreamed
burn burnt burned
learn learnt learned learning
spell spelt spelled
spill spilt
smell smelt smelled
spoil spoilt
travel travelled traveled travelling traveling
cancel cancelled canceled cancelling canceling
label labelled labeled
model modelled modeled modelling modeling
refer referred referring
occur occurred occurring occured
control controlled controlling
install installed installing instal
fulfil fulfill fulfilled
metre meter meters metres
litre liter liters litres
centre center centers centers centred centered
theatre theater theaters
fibre fiber
licence license licenses licenses licensed
practise practice practices practicing
defence defense
offence offense
tyre tire tires
grey gray
programme program programs programmes
aluminium aluminum
jewellery jewelry
pyjamas pajamas
cosy cozy
aeroplane airplane plane
maths math mathematics
catalogue catalog
dialogue dialog
cheque cheques
kerb curb
storey storeys
sceptical skeptical
judgement judgment
ageing aging
acknowledgement acknowledgment
flamingo flamingoes flamingos
receive recieve receiving recieving received recieved
separate seperate separated seperated
definitely definately
accommodation accomodation
address adress addresses
because becuase becasue
environment enviroment
government goverment govt
believe beleive
calendar calender
necessary neccessary necesary
tomorrow tommorow tommorrow
weird wierd
different diffrent differant
difference diffrence diference diff differnce
which wich
their thier
friend freind
really realy
people poeple ppl
language langauge languge
restaurant restaraunt resturant
successful succesful
business buisness bussiness
knowledge knowlege
experience experiance
beautiful beautifull
grammar grammer
pronunciation pronounciation
maintenance maintainance
guarantee garantee
vacuum vaccum
tomato tomatoes
potato potatoes
hero heroes
echo echoes
does
university universities
characteristic chararcteristic characteristics
immediately immediatly
interest intrest
favorite favourite favourites favorites
humor humour
library libary
medicine medecine
millennium millenium
occasion ocasion
probably probly
publicly publically
recommend recomend reccomend
tongue tounge
truly truely
until untill
movie movies
cookie cookies
calorie calories
zombie zombies
selfie selfies
brownie brownies
smoothie smoothies
rookie rookies
prairie prairies
veggie veggies
hippie hippies
`

// nouns: an ending, and the words of which it makes a noun, or an adjective, that asks the same: inspect, inspection. Not listed is
// what has another sense with it: recess and recession, plant and plantation, object and objective, music and musical.
const nouns = `
ion: abolish abort accelerate activate adopt animate appreciate attract automate calculate calibrate celebrate circulate collect complicate compress congest
ion: connect construct contaminate contribute coordinate correct corrupt create cremate cultivate deduct dehydrate delete demonstrate detect deteriorate
ion: devastate dictate discriminate discuss distract distribute donate educate eject elect eliminate emigrate encrypt erupt estimate evacuate evaluate
ion: evaporate exaggerate excavate exhaust exhibit extract fluctuate frustrate generate germinate hibernate illuminate illustrate imitate immigrate impress
ion: incubate infect inflate inject innovate inspect instruct insulate integrate interact interrupt intoxicate invent investigate irrigate irritate isolate
ion: legislate liberate liquidate lubricate manipulate migrate motivate mutate navigate negotiate obstruct operate persecute pollinate pollute possess predict
ion: prevent prosecute prostitute protect punctuate radiate react refract regulate rehabilitate reject renovate replicate restrict rotate segregate select
ion: simulate stimulate subtract suffocate suggest suppress terminate transact translate vaccinate ventilate vibrate violate
ation: acclimatize accredit accuse adapt affirm alter authorize categorize civilize colonize compile compute condense confirm consult customize declare
ation: decolonize deport deprive examine expect explore fluoridate globalize hospitalize immunize implement import industrialize install interpret legalize
ation: modernize nationalize optimize organize preserve privatize quote realize recommend reincarnate represent sterilize tempt tokenize transform transport
ation: urbanize utilize visualize
ment: achieve adjust advertise agree amend announce arrange assess assign attach deploy develop embarrass employ encourage enforce enjoy enlarge enroll
ment: entertain equip establish harass imprison improve invest involve manage nourish punish reimburse replace resent retire settle
ance: accept admit annoy assist assure attend avoid comply disappear disturb endure inherit insure perform resist tolerate
ence: adhere depend differ emerge interfere persist prefer
al: approve arrive betray disapprove dismiss dispose electric propose refuse remove renew retrieve revive survive tropic withdraw
ive: addict
`

const participles = `made taken given got gotten found known said told seen written read spoken bought sold built sent spent lent lost won begun run kept
felt left meant met paid held understood taught caught brought fought eaten drunk driven ridden grown thrown shown drawn chosen broken stolen frozen
forgotten hidden bitten sung worn torn born shot led fed bred heard dealt put cut hit shut set read become laid spread struck bound sworn woven done`

// pasts leaves out what the present looks like too: put, set, read.
const pasts = `went took gave got found knew thought said told saw wrote spoke bought sold built sent spent lent lost won began ran came became kept slept felt
meant met paid held stood understood taught caught brought fought ate drank drove rode rose fell flew grew threw showed drew chose broke stole froze forgot hid
bit sang swam wore tore lied died tied used sat bore swung shot led fed bred bled heard swept dealt dreamt burnt learnt spelt spilt smelt spoilt made had left
hung struck swore wove woke stuck sank shook spun slid dug clung laid overcame withdrew shone sought sprang stung wound`

const numbers = `
0 zero
1 one
2 two twice
3 three thrice
4 four
5 five
6 six
7 seven
8 eight
9 nine
10 ten
11 eleven
12 twelve dozen
13 thirteen
14 fourteen
15 fifteen
16 sixteen
17 seventeen
18 eighteen
19 nineteen
20 twenty
30 thirty
40 forty fourty
50 fifty
60 sixty
70 seventy
80 eighty
90 ninety
100 hundred
1000 thousand
1000000 million mio
1000000000 billion bn
1000000000000 trillion
1/2 half halves
1/4 quarter
1st first firstly
2nd second
3rd third thirds
4th fourth
5th fifth
6th sixth
7th seventh
8th eighth
9th ninth
10th tenth
11th eleventh
12th twelfth
20th twentieth
100th hundredth
x2 double
x3 triple
`

const kinds = `
dates: monday mon tuesday tue wednesday wed thursday thu thurs friday fri saturday sunday sun january jan february feb march april apr june jun july jul august aug september sep sept october oct november nov december dec today tomorrow yesterday tonight morning noon afternoon evening night midnight day week weekend fortnight month year decade century spring summer autumn winter am pm easter christmas eve ancient medieval modern daily weekly monthly yearly annually annual future past present
units: metre centimetre millimetre kilometre inch foot yard mile acre hectare litre millilitre centilitre gallon pint quart cup tablespoon teaspoon ounce pound kilogram gram milligram microgram ton tonne celsius fahrenheit kelvin degree minute hour millisecond watt kilowatt volt ampere ohm joule calorie hertz decibel bit byte kilobyte megabyte gigabyte terabyte mbps mpg mph kph psi bar pascal percent dollar euro yen rupee cent yuan franc iu kwh square cubic
scope: all every each most only least many much few fewer less more first last next previous before after since until over under above below inside outside always sometimes usually often both either neither total average main minor whole part partly fully entire half even enough or maximum minimum during around near up down off out temporary permanent leading trailing same other another new old someone else everyone nobody small big young adult used direct free online offline public private male female electric digital local foreign net gross raw fresh wild organic vegan indoor outdoor empty single married alone together again back early late left right upper lower short long high low hot cold dry wet dead alive
sense: avoid stop prevent cancel undo resist deny ban block fake pretend former ex almost nearly try want hate let make keep leave escape miss end lose refuse remove delete disable hide lie anti pseudo semi replace against but too else instead restart continue force ask teach
language: english german french spanish italian portuguese dutch russian chinese mandarin cantonese japanese korean arabic hebrew hindi urdu turkish polish czech greek latin swedish norwegian danish finnish hungarian thai vietnamese swahili zulu welsh irish catalan basque ukrainian
format: json yaml xml csv html markdown table list bullet poem haiku essay paragraph sentence word story email letter tweet post slide diagram step detail brief short long formal casual simple formula example comment summary outline
`

const frontals = `popular safe legal possible normal bad healthy necessary worth important hard difficult easy dangerous common true good differ cost mean need allow`

// weightless words tell how well or how much, which the answer tells anyway, or say no more than be and do.
const weightless = `
suddenly correctly properly successfully effectively efficiently easily politely seriously consistently normally generally commonly typically realistically
practically possibly definitely absolutely literally honestly accurately appropriately perfectly greatly highly extremely incredibly increasingly widely
largely strongly relatively fairly totally completely entirely utterly deeply truly obviously clearly exactly supposedly apparently frequently regularly
usually mostly somehow somewhat anyway ultimately eventually finally overall altogether better more extra additional
drink eat consume take get become tend seem keep do use try manage involve include classify regard
successful effective efficient popular useful helpful well-known famous good great proper suitable common available existing possible potential
interesting important key major main typical usual real actual true simple easy
nowadays something anything everything thing stuff kind example tip idea
`

// sorts are what a name may be the name of: the GRE, the GRE exam.
const sorts = `exam test app application website site software programming language company brand disease disorder syndrome curriculum platform framework tool`

const optionals = `mean one way several`

// plain words are known to be no typing errors of others.
const plain = `
2fa accept account actor actress again age ai airport algorithm alone anniversary api apply area array arrive artificial atheist atom author autumn
bad bake band bank battery become bed beer belong birthday black blue body boil book border borrow branch bread breakfast bring bug burn butter button
cable camera cancel capital carry cat cell channel cheapest cheese chemistry chess chicken christmas city clean coffee cold column commit compile
connect consist contain container cook cookie cool correct count court crash creator cricket crime cure currency current daily dance debt decrypt
depend depth diet dinner dirty disconnect discuss divorce dog door download drain dream drink drive dry earn earth easter egg election electricity
element elevator employer encrypt energy engineer engineering enter entrepreneur equation escape essay eu evaporate everything exception execute exit
expand expert explode fact fall fat feature feel fever file filter flight fly follower food foreign forever forget forgive founder freeze fresh
function funeral game garlic girlfriend give god golang government gpu grade gravity green habit hair hardware hatch headache hear height hiccup hide
himmel hobby homemade homework hot hotel human hurry hurt husband idea impossible inch ingredient install integer international interview invest
investment job join joke jump keyboard kitchen know konto later laugh launch law learn lend length lesbian license light linear list listen litre loan
local lock loop lose love lunch manager map marketing marriage marry mars math matrix matter meal measure median melt memorize menu metre minimum
modern molecule monthly moon move music mute name national natural nlp normal notification novel num nurse nyc object official offline onion online
open os overcome owe parcel parent park passport pause pay peel physicist physics pilot pink plan planet play player poem poet popular possible potato
practice president printer private product profile program protect prove public puppy purpose purr put query raw reach read receive recipe record red
redo register reject religion religious rename renew rent replace reset resize rice ride rise room rotate router row salt scan school science
scientist screen screenshot search secret secretly see self sell send server shape share shrink sing singer size skin smell smile soccer software
solution solve song soon sort speaker spend sport spread stain star startup station steal stock stream stress subscriber sugar suicide swim symbol
symptom synonym taste tax tea teacher team test theorem thread ticket together tomato total touch trade train travel trivia type ui un unblock undo
universe university unlock update upload useless ussr variable vector vegan vegetarian version visa visit wait walk war warm wash waste water wedding
weekly weigh weight wet white width wife window wine worst yawn
adapt adopt affect effect quite quiet desert dessert conservation conversation moral morale personal personnel precede proceed median media
stationary stationery angel angle nitrate nitrite sulfate sulfite country county weather whether breath breathe loose chose choose lose staring
starting horse house mouse month mouth world word sword north south forth fourth trail trial causal casual marital martial martian
united untied reserve reverse silver sliver diary dairy bread beard board broad brand brain bride bridge breast beast cloth clothes
coast cost court count corner corn crash cash crop corps corpse curb curl dairy daily decent descent device devise draft drift
dribble drive diver drown drawn elicit illicit eligible legible ensure insure exercise exorcise export expert extent extant fair fare father farther fever fewer
field filed final finale flesh flash floor flour flower form from found fund friend fiend genius genus ghost host grace grape grave
gravy heart hear hearth heath health wealth inject infect insect lake leak latter later letter litter launch lunch lighting lightning lining
message massage metal mental medal model modal mobile moble noble novel nove parent patent patient party pasty pastry peace piece
pear pearl plain plan plane planet plant plate pleat pole poll principal principle public pubic quarter quartz rabbit rabbi rain ruin
rating ration ratio ravage reality realty region religion remain remaid rifle riffle route router rout sacred scared salary celery
scarf scar scene seen series serious shoot shot short shirt shore silicon silicone slip sleep sloth slot soap soup solder soldier soul
south sport spot stain strain stair stake steak state statue status statute stock stoke store story stripe strip strap straw stray
sweat sweet table tablet taste test text thorough through though thought tough threat treat throw throne tire tired title tile
tower towel track rack trace train rain travel trip tribe bribe trust rust umpire empire vacation vocation valley volley vary very
venue avenue vision version waist waste wander wonder wary weary wear swear weak week weigh weight women woman wrench wench wrist
writ write yarn yearn
`
