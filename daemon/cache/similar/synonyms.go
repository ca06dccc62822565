package similar

// synonyms: the words of a line answer the same question.
const synonyms = `
length duration
remove delete erase eliminate
fast quick rapid quickly rapidly swift speedy
biggest largest
small little tiny
smallest littlest tiniest
fastest quickest
begin start commence initiate
finish complete
buy purchase
fix repair mend
get obtain acquire receive
reduce decrease lower lessen
show display
create make generate produce manufacture
use utilize usage
help assist aid
need require necessary required mandatory compulsory
try attempt
allow permit permitted allowed
happen occur
end ending
ask inquire
answer reply respond response
car automobile auto
film movie
photo picture pic image photograph
phone telephone cellphone smartphone mobile
tv television telly
fridge refrigerator
doctor physician
lawyer attorney
child kid
infant baby newborn
teenager teen adolescent
illness disease sickness
medicine medication
cheap inexpensive affordable
expensive pricey
cost price
trip journey
travel visit
shop store
home house
salary wage pay compensation remuneration
company firm corporation
info information
application app
repository repo
configuration config
environment env
javascript js
typescript ts
python py
kubernetes k8s
postgres postgresql pg
database db
mongodb mongo
dictionary dict
directory folder
parameter param
argument arg
string str
character char
boolean bool
temperature temp
approximately roughly approx
versus vs
department dept
maximum max
average avg
important crucial essential vital significant
difficult hard tough
easy simple
easiest simplest
stupid dumb
beautiful gorgeous
funny humorous hilarious
rich wealthy
poor impoverished
famous renowned celebrated
wrong incorrect
strange weird odd
error mistake
problem issue trouble
reason cause
effect impact influence affect
benefit advantage upside pros
drawback disadvantage downside cons
difference differ distinction distinguish different
similarity similar alike
meaning mean definition define signify
goal objective aim
example instance
part component
main major primary chief principal mostly
teach educate
explain describe clarify
understand comprehend
think believe
write compose
watch view
live reside inhabit
kill murder slay
like enjoy
hate detest
want desire
remember recall
prevent avoid
close shut
calculate compute
convert transform
merge combine
split divide
copy duplicate
check verify
inventor invent invention
discoverer discover discovery
director direct
painter paint
winner win
ruler rule
uk britain
cpu processor
pc computer
laptop notebook
wifi wireless
internet web
website site webpage
password passcode
electric electrical electricity
driver driving
closet wardrobe
tap faucet
leak leaky
clog block
garbage trash rubbish
apartment flat
sidewalk pavement
petrol gasoline
truck lorry
candy sweets
student pupil
exam examination
resume cv
employee worker staff
colleague coworker
friend buddy pal
mother mom mum
father dad
grandmother grandma
grandfather grandpa
ocean sea
lifespan longevity
belly tummy stomach abdomen
exercise workout
sex intercourse
pregnant pregnancy
pain ache
vaccine vaccination
treatment treat therapy
dose dosage
pimple acne zit
money cash
income earnings
programmer developer coder
programming coding
beginner newbie novice
customer client
advertisement advert ad
strategy tactic
skill ability
substitute replacement alternative
polite politely courteous
summarize summary summarise
opposite antonym
translate translation
population inhabitant
country nation
world globe
speed velocity
color colour
police cop
prison jail
road street
carpet rug
video clip
probability chance likelihood
statistic stats
confident confidence
motivate motivation
lazy laziness
procrastinate procrastination
depressed depression
anxious anxiety
lonely loneliness
addicted addiction
successful success succeed
smoke smoking
weed marijuana cannabis
gay homosexual
safe safely
dangerous hazardous risky
illegal unlawful
legal lawful legally
common usual typical prevalent
rare uncommon
weirdest strangest
interesting fascinating
boring dull boredom
useful helpful
abroad overseas
recent latest
enough sufficient
entire whole
nearly almost
everyone everybody
anyone anybody
someone somebody
cry weep
find locate
stay remain
restart reboot
reverse invert
compress zip
extract unzip
enable activate
disable deactivate
achieve accomplish attain
manage handle
organize tidy
prepare preparation
focus concentrate concentration
decide decision
recommend suggest propose
compare comparison
worth worthwhile
each all every
monday mon
tuesday tue tues
wednesday wed
thursday thu thur thurs
friday fri
sunday sun
january jan
february feb
april apr
june jun
july jul
august aug
september sep sept
october oct
november nov
december dec
kilometre km kilometer kms
centimetre cm centimeter
millimetre mm millimeter
mile mi
foot ft
yard yd
kilogram kg kilo kgs kilogramme
gram gramme
milligram mg
microgram mcg
pound lb lbs
ounce oz
millilitre ml milliliter
centilitre cl centiliter
tablespoon tbsp
teaspoon tsp
hour hr hrs
minute mins
sec secs
year yr yrs
gigabyte gb
megabyte mb
kilobyte kb
terabyte tb
percent % percentage pct
dollar usd
euro eur
yen jpy
celsius centigrade °c
fahrenheit °f
schnell rápido rápidamente
parcel package
attractive handsome
identify recognize
meaningless pointless
location spot
india indian
america american usa
brazil brazilian
canada canadian
australia australian
pakistan pakistani
europe european
africa african
asia asian
egypt egyptian
mexico mexican
israel israeli
rupee rs inr
improve enhance increase raise boost
change modify alter edit
study learn
job employment
career profession
hire recruit employ
pass crack
advice tip suggestion
lady woman
guy man
dead death die perish fatal lethal
obese obesity overweight
thin skinny slim
angry anger mad
jealous jealousy
happy happiness glad
sad sadness unhappy
shy shyness
fear phobia afraid scared frightened scare
smell odor scent
bathroom restroom toilet
couch sofa
pants trousers
sweater jumper pullover
bike bicycle
motorbike motorcycle
highway motorway freeway
railway railroad
subway metro
taxi cab
luggage baggage
supermarket grocery
ban forbid prohibit
attack assault
army military
proof evidence
universe cosmos
alien extraterrestrial
region area
origin source
amount quantity
big large huge enormous giant massive tremendous
amazing awesome incredible fantastic wonderful astonishing
good best greatest great nice top finest excellent
consequence result outcome
role function
feature characteristic property attribute
step stage phase
method technique approach
symptom sign
cure remedy heal
senior elderly
boyfriend bf
girlfriend gf
birthday bday
message msg
account acct
laboratory lab
vocabulary vocab
biography bio
specification spec
document doc docs documentation
authentication auth
asynchronous async
regex regexp
pointer ptr
command cmd
technology tech
coriander cilantro
aubergine eggplant
zucchini courgette
prawn shrimp
sunrise dawn
sunset dusk
often frequently
immediately instantly
hide conceal
stop quit cease
sick ill unwell
holiday vacation
clever smart intelligent
tired exhausted fatigued
speak talk
pick choose select opt
grow cultivate
hurt injure
injury wound
accident mishap
gift present
dress outfit
shoe footwear
glasses spectacles
jewel gem
forest woods
humiliate embarrass
construct build
destroy demolish ruin wreck
gather collect
throw toss
jump leap hop
yell shout scream
quiet silent
loud noisy
dirty filthy unclean
brave courageous
cowardly timid
calm peaceful tranquil
furious enraged
rude impolite discourteous
generous charitable
honest truthful
dishonest deceitful
loyal faithful devoted
lucky fortunate
unlucky unfortunate
foolish silly
crazy insane nuts
normal ordinary
unique distinctive
modern contemporary
hungry starving
thirsty parched
cold chilly
wet damp moist
empty vacant
broken damaged
heavy weighty
accurate precise exact
permanent everlasting
temporary interim
unknown obscure
popular trendy
ugly unattractive hideous
scary creepy spooky
horrible awful terrible dreadful
delicious tasty yummy
healthy wholesome nutritious
harmful detrimental
infectious contagious
allergy allergic
vomit puke
itch itchy
swell swollen
diarrhea diarrhoea
constipation constipated
insomnia sleeplessness
flu influenza
diabetes diabetic
cancer cancerous
pill tablet
alcohol booze
drunk intoxicated
toddler tot
boy lad
girl lass
adult grownup
relatives kin
guest visitor
stranger outsider
enemy foe
boss supervisor
politician statesman
immigrant migrant
immigration migration
border frontier
war warfare
battle combat
gun firearm
bomb explosive
soldier trooper
victory triumph
peace harmony
freedom liberty
law legislation
court tribunal
crime felony
thief robber burglar
steal rob
theft robbery burglary
fraud scam swindle
arrest apprehend
guilty culpable
punish penalize
punishment penalty
corrupt corruption
bribe bribery
poverty destitution
unemployed jobless
unemployment joblessness
retire retirement
invest investment
revenue turnover
expense expenditure spending
discount rebate
refund reimbursement reimburse
vendor seller
entrepreneur businessman
owner proprietor
tenant renter
landlord lessor
rent lease
airport airfield
plane aircraft
vessel
passenger traveller
pedestrian walker
traffic congestion
tourist sightseer
tourism touristic
beach seaside shore
mountain mount
island isle
jungle rainforest
storm tempest
rain rainfall
snow snowfall
earthquake quake
hurricane cyclone typhoon
pollution contamination
pollute contaminate
animal creature beast
dog canine doggy
cat feline kitty
puppy pup
cow cattle
pig hog swine
rabbit bunny
snake serpent
flower blossom
farmer grower
farm agriculture
dinner supper
snack nibble
cookie biscuit
vegetable veggie veg
potato spud
spice seasoning
grill barbecue bbq
cup mug
bag sack
clothes apparel garment
jacket coat
tooth dental
muscle muscular
bone skeletal
brain cerebral
heart cardiac
lung pulmonary
kidney renal
liver hepatic
intelligence intellect
idea notion concept
opinion viewpoint
christian christianity
islam islamic
hindu hinduism
buddhist buddhism
jew jewish judaism
prayer pray
heaven paradise
ghost phantom
devil satan
magic magical sorcery
history historical
era epoch
lesson tutorial
homework assignment
thesis dissertation
graduate graduation
scholarship bursary
tuition fees
teacher instructor
professor lecturer
classmate schoolmate
author writer
story tale
journalist reporter
song tune
singer vocalist
audience spectator
drawing sketch
team squad
coach trainer
athlete sportsman
hike trek
fishing fisherman
hobby pastime
toy plaything
hacker hacking
bug glitch
slow sluggish
encrypt encryption
decrypt decryption
robot robotic
algorithm algorithmic
subtract minus
triangle triangular
circle circular
scientist researcher
biology biological
atom atomic
molecule molecular
planet planetary
star stellar
galaxy galactic
moon lunar
astronaut cosmonaut
spacecraft spaceship
gravity gravitational
evolution evolve evolutionary
gene genetic
bacteria bacterial
hormone hormonal
sperm semen
virgin virginity
puberty adolescence
betray betrayal
forgive forgiveness
apologize apology
promise vow
complain complaint
criticize criticism
threat threaten
blackmail extort extortion
abuse mistreat
violence violent
murderer killer
suicide suicidal
funeral burial
grave tomb
survive survival
protect protection safeguard
escape flee
explore exploration
analyze analysis
evaluate evaluation assess assessment
measure measurement
estimate estimation
predict prediction forecast
schedule timetable
delay postpone
hurry rush
arrive arrival
depart departure
enter entry
climb ascend
push shove
pull drag tug
grasp grip
tear rip
attach fasten
detach unfasten
glue adhesive
sew stitch
decorate decoration
pillow cushion
blanket duvet
curtain drape
bulb lightbulb
wire cable
perfume fragrance
makeup cosmetic
barber hairdresser
haircut hairstyle hairdo
bald baldness
sunburn sunburnt
weak feeble
flexible flexibility
meditate meditation
relax relaxation unwind
stress stressful
curious curiosity
confuse confusion
disappoint disappointment
frustrate frustration
ashamed shame
regret remorse
grief grieve mourning
passion passionate
enthusiasm enthusiastic
creative creativity
imagine imagination
persistent persistence perseverance
selfish selfishness
greed greedy
humble humility
expert specialist
amateur hobbyist
qualification credential
candidate applicant
internship intern
freelance freelancer
deliver delivery ship
transport transportation
engine motor
withdraw withdrawal
insurance insure
bankrupt bankruptcy insolvent insolvency
economy economic
laborer labourer
waiter waitress
policeman policewoman
firefighter fireman
pharmacy drugstore
therapist counselor counsellor
veterinarian vet
democracy democratic
dictator tyrant
dictatorship tyranny
communist communism
socialist socialism
capitalist capitalism
racist racism
sexist sexism
feminist feminism
terrorist terrorism
slave slavery
false untrue
genuine authentic
destiny fate
forever eternally
sometimes occasionally
soon shortly
finally eventually
suddenly abruptly
carefully cautiously
grab seize
prefer preference
persuade convince
negotiate bargain haggle
disagree disagreement
admit confess
reveal disclose
imitate mimic
discourage demotivate
award prize
tradition traditional
culture cultural
ceremony ritual
grammar grammatical
pronounce pronunciation
fluent fluency
ignore disregard
solve resolve
puzzle riddle
clue hint
density dense
acceleration accelerate
motion movement
rotate rotation spin
vibrate vibration
explode explosion blast
evaporate evaporation
condense condensation
mix blend
pure purity
shiny glossy
dark darkness
run execute
maybe perhaps
fail failure
`

// phrases are read before anything else: what stands before > becomes what stands after it. | separates alternatives, ^ is where a
// sentence begins (greetings do not count).
const phrases = `
why will not > why does not
get in touch with | getting in touch with | reach out to > contact
unsubscribe from > cancel subscription for
high in | rich in | contain a lot of | contains a lot of | contain lots of > contain many
is it better to > should i
^ please recommend some | ^ can you recommend some | ^ could you recommend some | ^ recommend some | ^ please suggest some | ^ can you suggest some | ^ could you suggest some | ^ suggest some > what are some
^ please recommend a | ^ can you recommend a | ^ could you recommend a | ^ recommend a | ^ please suggest a | ^ can you suggest a | ^ could you suggest a | ^ suggest a > what is a
^ please recommend | ^ can you recommend | ^ could you recommend | ^ can you suggest | ^ could you suggest > what are
kannst du mir bitte erklären | können sie mir bitte erklären | kannst du mir bitte sagen | können sie mir sagen | können sie mir bitte sagen | bitte erkläre mir >
comment fait - on | comment faire | comment puis - je faire | comment est - ce qu'on fait > comment faire
cómo se hace | cómo hago | cómo puedo hacer | cómo hacer > cómo hacer
what would happen if | what will happen if | what happens if | what could happen if | what might happen if | what happens when | what will happen when | what would happen when > what if
^ what to do > what should i do
^ what should be the > what is the
what are your thoughts about | what is your take on | what are your views about | what are your views of | what is your view of | what are your opinions on | what are your opinions about | what are your opinions of | how do you view | how do you see > what opinion
how long will it take to | how much time will it take to | how many days does it take to | how much time is required to | how long would it take to > what duration take
how is it like to | how does it feel being | what is it like when you > what feel
has anyone ever | has anybody ever | have you ever | has someone ever > whether ever
a lot of people > many people
in the future | in future > future
as of now | as of today | till now | until now | so far >
way better than > better than
vs. > versus
get rid of > remove
learn more about > learn about
start learning | begin learning | start to learn | get started with | get started learning | learning how to > learn
learn how to > learn
start preparing | begin preparing > prepare
make money | making money > earn money
makes money > earn money
reduce weight | weight loss | losing weight | loose weight | drop weight > lose weight
weight gain | put on weight | putting on weight | increase weight > gain weight
fall asleep | go to sleep | get to sleep > sleep
from the beginning | from the ground up > scratch
hair loss | hair fall | losing hair > hairloss
get better at > improve
become better at > improve
mind blowing | mindblowing > amazing
at the same time > simultaneously
close to | next to > near
the same as > same
work out | working out > exercise
give up | giving up > stop
keep from > prevent
come from > origin
pass away > die
passed away > died
grow up > mature
wake up | get up > wake
hang out > meet
break up with > separate
back up > backup
log in | sign in | log on > login
log out | sign out | log off > logout
look like > resemble
in real life | in practice > practically
on time > punctual
all the time > always
make a backup of | take a backup of > backup
study for | get ready for > prepare for
deal with | deals with | dealing with | cope with | coping with > overcome
in an effective way > effectively
a couple of > couple
know more about > know about
travel to > visit
every one > everyone
commit suicide > suicide
^ recipe for | ^ what is the recipe for | ^ please give me a recipe for | ^ give me a recipe for | ^ please give me the recipe for > how make
gets rid of | getting rid of > remove
got rid of > removed
^ who used to > who did
get over > overcome
getting over > overcome
find out > find
tell if | tell whether > know if
know whether > know if
figure out > find
look for | looking for > find
set up | setting up > install
sign up > register
throw away > discard
come up with > create
carry out > do
make use of > use
make a difference > matter
take a look at > look
take care of > care
take place | takes place > happen
took place > happened
go bad | goes bad | went bad > bad
gone bad > been bad
speed up > make faster
as soon as possible > asap
a lot of | lots of | plenty of | a large number of | a great many > many
a lot > much
in order to > to
so as to > to
due to | because of | owing to > because
as well as > and
in addition to > and
and / or | and/or > or
or not >
in spite of > despite
instead of | rather than > instead
at least > at-least
at most > at-most
no more than > at-most
no less than > at-least
more than > over
less than > under
fewer than > under
up to > up-to
each other > other
these days | at the moment | right now | at present > nowadays
for free > free
free of charge > free
for the first time > 1st
for example | for instance | e.g. >
in general | in particular | in fact | after all | at all | of all time >
in the world | on the planet | of the world | in the entire world | in the whole world >
in the state of | in the city of | in the town of | in the country of > in
in the state of new york > in newyorkstate
in the city of mexico > in mexico city
human beings | human being | a human > humans
united states of america | united states | the states | u.s.a. | u.s. | u.s.a | u.s > usa
united kingdom | great britain | u.k. | u.k > uk
european union > eu
new york city > nyc
united nations > un
soviet union > ussr
artificial intelligence > ai
machine learning > ml
two - factor authentication | two factor authentication > 2fa
operating system > os
user interface > ui
source code > sourcecode
open source > opensource
real estate > realestate
driver's license | driver's licence | driving licence | driving license | drivers license | driver licence | driver license > driverslicense
life expectancy | life span | average lifespan > lifespan
date of birth | birth date | birthdate | birthday date > birthdate
phone number | telephone number | mobile number > phonenumber
cell phone | mobile phone | smart phone > phone
credit card > creditcard
ip address > ipaddress
wi - fi | wi fi > wifi
e - mail | e mail > email
per day | a day | every day | each day > daily
per week | a week | every week > weekly
per month | a month | every month > monthly
per year | a year | every year | per annum > yearly
per capita > percapita
how come > why
what makes | what make | what made > why
what causes | what cause | what is causing > why does
what caused | what were the causes of | what was the cause of > why did
what is the cause of | what is the cause for | what are the causes of | what are the causes for | what are some causes of | what are some causes for | what are causes of | what are the main causes of > why
what is the reason that | what is the reason why | what is the reason for | what is the reason behind | what are the reasons for | what are the reasons that | what are the reasons why | what is the reason of | what are the reasons behind | what is the reason | for what reason | for what reasons | what was the reason for | what were the reasons for | what was the reason that > why
why is it that > why
how is it that > how
is there a way to | is there any way to | are there ways to | are there any ways to | is there some way to | is there any method to | is there an easy way to | is there a good way to > how
what do i have to do to | what should i do to | what can i do to | what must i do to | what do i need to do to | what do i do to | what can we do to | what does it take to | what should one do to | what can you do to | what can one do to > how
what is the process to | what is the process of | what is the process for | what are the steps to | what are the steps for | what is the procedure to | what is the procedure for | what is the method of > how
what is it like to | what is like to | how does it feel to | what does it feel like to | how is it to | what is it like being | what is it like | how does it feel > what feel
world war 1 | world war one | world war i | first world war > ww1
world war 2 | world war two | world war ii | second world war > ww2
world war 3 | world war three | world war iii | third world war > ww3
wwi > ww1
wwii > ww2
what is the weather like | what is the weather > how weather
how do you say | how would you say | how to say | how do i say | what is the word for > translate
how tall | how high > what height
what is the tallness of > what height of
how old > what age
how heavy > what weight
how big | how large > what size
how far away | how far > what distance
how fast > what speed
how wide > what width
how deep > what depth
how long a > what length
how expensive > what cost
how often | how frequently > what frequency
how many times > what times
how many people live in | how many people are there in | how many people are in | how many inhabitants has | how many inhabitants does > what population of
how many | what is the number of | what number of > what howmany
how much money > what howmuch money
how much > what howmuch
how long does it take to | how long does it take for | how much time does it take to | how long do i need to > what duration take
how long > what duration
how much is a | how much is an | how much is the | how much are the > what cost of
how much does it cost to | what does it cost to > what cost
what time | in which year | in what year | which year | what year | on what date | on which date | what date | what month | in what month | at what time | at which time > when
what is the time in | what time is it in | what is the current time in > when now in
what is the best time to | when is the best time to | what is the best time of year to | what is a good time to > when good
in what way | in what ways | in which way | in which ways > how
in what place | in which place | at which place > where
for what | what for > why
by whom | by who > who
is it possible to | is it possible for me to | is it possible for | is there a possibility to | am i able to | are you able to | would it be possible to > whether can
is it possible that > whether can
is it okay to | is it ok to | is it alright to | is it fine to | is it all right to > whether okay
have to | has to | had to | need to | needs to | got to > must
going to | gonna > will
want to | wants to | wanna > want
used to > used-to
able to > can
do you think that | do you think | do you believe that | do you believe | in your opinion | do you reckon | do you feel that >
what are your thoughts on | what do you think about | what do you think of | what is your opinion on | what is your opinion of | what is your opinion about | how do you feel about | what are your views on | what is your view on > what opinion
what is meant by | what do you mean by | what does it mean when | what is the meaning of | what is the definition of > what mean
who is the author of | who was the author of | who is the writer of | who was the writer of > who wrote
who is the inventor of | who was the inventor of > who invented
who is the director of | who was the director of > who directed
who is the founder of | who was the founder of | who were the founders of | who are the founders of > who founded
who is the painter of | who was the painter of > who painted
^ what can i do if > what should i do if
^ what do i do if | ^ what do i do when > what should i do if
by hand > byhand
on my own | by myself | on your own | by yourself | on one's own > own
on the internet | over the internet | via the internet | on the web > online
from home | at home > home
at night > night
^ hi | ^ hello | ^ hey | ^ thanks | ^ thank you | ^ ok | ^ okay | ^ please | ^ so | ^ well | ^ and | ^ but | ^ also | ^ dear | ^ good morning | ^ quick question >
^ can you please | ^ could you please | ^ would you please | ^ can you kindly | ^ can you | ^ could you | ^ would you | ^ will you | ^ can someone | ^ could someone | ^ can anyone | ^ could anyone | ^ can anybody | ^ can somebody > please
^ please tell me | ^ please explain to me | ^ please explain | ^ please let me know | ^ please clarify > explain
^ please help me to | ^ please help me | ^ help me to | ^ help me | ^ i need help with | ^ i need help to | ^ i need help | ^ i need some help > please
^ tell me | ^ explain to me | ^ let me know | ^ teach me > explain
^ do you know | ^ does anyone know | ^ does anybody know | ^ does someone know | ^ any idea > explain
^ i want to know | ^ i would like to know | ^ i like to know | ^ i need to know | ^ i was wondering | ^ i am wondering | ^ i wonder | ^ i want to understand | ^ i would like to understand > explain
^ i need to | ^ i want to | ^ i would like to | ^ i am trying to | ^ i have to > how
^ i need some | ^ i need | ^ i want | ^ i would like > give
^ give me some | ^ give me a list of | ^ give me | ^ show me | ^ list of | ^ give >
^ list all | ^ list all the > all
^ list the | ^ list | ^ name the | ^ name > 
^ explain if | ^ explain whether | ^ explain me if > whether
^ explain how to > how
^ explain > explain
^ what is the answer to | ^ what is the answer for >
what is the best place to | what is a good place to | which is the best place to | where is the best place to | where is a good place to > where good place to
^ steps to | ^ ways to | ^ way to | ^ best way to | ^ best ways to | ^ tips to | ^ the best way to > how
^ in simple terms | ^ in simple words | ^ in plain english > simple
in simple terms | in simple words | in layman's terms | in layman terms | in plain english | in plain words > simple
kannst du mir erklären | können sie mir erklären | erkläre mir | erklär mir | kannst du mir sagen | weißt du >
peux - tu m'expliquer | pouvez - vous m'expliquer | explique - moi | dis - moi >
explícame | puedes explicarme | dime >
wie heißt | wie lautet > was_ ist
was ist | was sind > was_ ist
c'est quoi > quel
est - ce que | est - ce qu' >
por qué > porqué
was kann ich tun um | was muss ich tun um > wie
von wem > wer
par qui > qui
quién es el autor de > quién escribió
ist die einwohnerzahl von > wie viele einwohner hat
`
