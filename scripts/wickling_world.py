"""The little world that wickling speaks of: its words, and its plots as sentence templates.

Templates are written for wickling_text.py: [one|two|] picks one, {name} is filled in. A plot is a
list of (p, template): p = 1 belongs to the story, less is a detail told with that probability.
All of it was written for this project.
"""

WOMEN = """Mira Anna Lily Rosa Ella Nora Ida Clara June Wren Hazel Maud Tilda Vera Greta Olive Edith
Agnes Lotte Marta""".split()
MEN = """Tom Ben Jonas Emil Oscar Finn Hugo Otto Peter Sam Karl Leo Abel Ned Rufus Silas Martin
Felix Victor Anton""".split()

# What somebody of that trade makes or does, for questions and descriptions.
JOBS = {
    "baker": "bakes bread before the sun is up",
    "lamplighter": "lights the street lamps every evening",
    "fisher": "catches fish with a net",
    "miller": "grinds grain into flour",
    "gardener": "grows beans and roses",
    "shepherd": "keeps the sheep on the hill",
    "clockmaker": "mends clocks of every size",
    "weaver": "weaves wool into warm cloth",
    "letter carrier": "brings the letters to every door",
    "beekeeper": "looks after the bees and sells honey",
    "candle maker": "pours wax around a wick",
    "carpenter": "builds tables and chairs from oak",
    "painter": "paints doors and signs",
    "cook": "cooks soup for the whole inn",
    "teacher": "teaches the children to read",
    "doctor": "looks after the sick",
    "sailor": "sails to the islands and back",
    "bell ringer": "rings the bell at noon",
}


# preposition, place, what is there, what it is like
PLACES = [
    ("at", "the harbour", "the boats", "smells of salt and rope"),
    ("at", "the old mill", "the mill wheel", "turns slowly all day"),
    ("in", "the market square", "the stalls", "is loud and full of people"),
    ("at", "the lighthouse", "the stone steps", "stands white above the waves"),
    ("on", "the stone bridge", "the railing", "is older than the town"),
    ("in", "the pine wood", "the tall trees", "is dark and quiet"),
    ("in", "the orchard", "the apple trees", "is full of bees in spring"),
    ("by", "the river", "the reeds", "runs fast after the rain"),
    ("on", "the windy hill", "the grey rocks", "looks down on all the roofs"),
    ("at", "the station", "the wooden bench", "waits for two trains a day"),
    ("at", "the school", "the long tables", "has a green door"),
    ("in", "the library", "the high shelves", "is warm in winter"),
    ("by", "the frozen lake", "the snow", "shines like glass"),
    ("in", "the barn", "the hay", "smells of hay and apples"),
    ("at", "the ferry landing", "the wet planks", "is busy when the ferry comes"),
    ("at", "the well", "the round stones", "never runs dry"),
    ("on", "the beach", "the rowing boats", "is empty in the morning"),
    ("in", "the garden", "the rose bushes", "is full of birds"),
    ("at", "the inn", "the fireplace", "is never closed"),
    ("in", "the clock tower", "the big wheels", "can be seen from every street"),
]

# What a thing can be like. Some words only suit metal, wood or cloth.
COLOURS = "red blue green yellow white black small old tiny large strange fine painted".split()
METAL = "silver brass shiny heavy".split()
WOOD = "wooden carved heavy".split()
CLOTH = "warm striped woollen long".split()
THINGS = {
    "lantern": METAL, "key": METAL, "kite": ["striped", "long"], "boat": WOOD, "letter": [],
    "map": [], "bell": METAL, "coat": CLOTH, "box": WOOD, "spoon": METAL + WOOD,
    "ball": ["striped"], "basket": ["round"], "hat": CLOTH, "clock": METAL + WOOD,
    "ring": METAL, "book": ["heavy"], "scarf": CLOTH, "drum": ["round"], "flute": METAL + WOOD,
    "teapot": METAL, "coin": METAL, "ladder": ["wooden", "long"], "blanket": CLOTH, "cup": METAL,
    "lamp": METAL,
}  # fmt: skip
MADE = "kite boat box basket hat scarf drum flute ladder blanket coat spoon".split()
PARTS = {"clock": "hand", "boat": "mast", "kite": "string", "lantern": "glass", "drum": "skin",
         "ladder": "top step", "teapot": "lid", "basket": "handle", "box": "lid", "cup": "handle",
         "lamp": "glass"}  # fmt: skip
# What a plot needs of its thing; others take any.
FITTING = {
    "broken": list(PARTS), "gift": MADE, "learn": MADE, "animal": ["coat", "blanket", "scarf"],
    "letter": [t for t in THINGS if t != "letter"], "lamp": ["lamp", "lantern"],
    "flood": ["boat", "ladder"], "noise": ["lantern", "lamp", "bell", "key", "blanket", "cup"],
    "race": ["cup", "ring", "clock", "bell", "drum", "kite", "hat"],
}  # fmt: skip
ANIMALS = ["dog", "cat", "goat", "donkey", "duck", "fox", "lamb", "owl", "goose", "pony", "hare"]
ANIMAL_NAMES = "Pip Biscuit Moss Button Pepper Juniper Socks Crumb Thimble Bramble".split()
FOOD = """a honey cake|a bowl of soup|warm bread|plum pie|a slice of cheese|hot tea|roast apples|
a pot of jam|butter and bread|ginger biscuits""".replace("\n", "").split("|")
GOODS = "apples plums candles eggs fish loaves roses buttons carrots pears biscuits nuts".split()
KIN = "mother father grandmother grandfather sister brother aunt uncle".split()
TIMES = """One morning|One evening|On a cold day in autumn|In the middle of winter|Early in spring|
On a hot afternoon|At noon|Late at night|One Sunday|Before breakfast|On the first day of May|
After supper|On a grey Monday""".replace("\n", "").split("|")
MOODS = ["happy", "proud", "calm", "tired", "thankful", "brave"]

WEATHER = [
    "[The rain fell|It was raining] [hard|softly|all day], and the [streets were|road was] wet.",
    "Fog [hung over|lay on] the [roofs|water|fields], and nobody could see far.",
    "Snow had fallen [all night|since dawn], and [everything|the whole town] was white.",
    "A [strong|cold] wind [blew|came] from the sea.",
    "The sun [shone|was warm], and the sky was [blue|clear].",
    "It was so [quiet|still] that one could hear the [clock tower|waves|river].",
    "Dark clouds [stood|gathered] over the hill.",
    "The first stars [came out|were bright] [above|over] {place}.",
]

INTRO = [
    "{hero} was {a_job} [in a small town by the sea|in a town called Lowmarsh|near {home}].",
    "There was once {a_job} [named|called] {hero}[.| who lived near {home}.| with a kind heart.]",
    "In [a small town|the town of Lowmarsh|a house near {home}] lived {a_job} called {hero}.",
    "{hero} worked as {a_job}[.| and lived near {home}.| and liked {his} work.]",
    "Everybody in Lowmarsh knew {hero}, the {job}.",
]

HABITS = [
    "{He} had [grey hair|a loud laugh|two left feet|a soft voice|a big nose|cold hands].",
    "{He} [always sang|never sang|liked to whistle] at work.",
    "Every morning {he} [drank hot tea|fed the birds|swept the step] before work.",
    "{He} was [not young any more|the youngest of five|never late|a little shy].",
    "People said that nobody was as [patient|careful|stubborn|funny] as {hero}.",
]

ENDINGS = [
    "[In the end|That evening|At last], {hero} [was|felt] {mood}.",
    "{hero} went home {mood}.",
    "{hero} was [very|so] {mood} [that night|that day].",
    "And {hero} [felt|was] {mood} [for a long time|all the way home|until bedtime].",
]

AFTER = [
    "[From that day on|After that], [they were good friends|they met every Sunday].",
    "{friend} laughed, and they [shared|ate] {food} [by the fire|in the kitchen].",
    "{hero} put {the_thing} on the shelf, and it is there to this day.",
    "The lamps were lit [one by one|in every street], and the town went to sleep.",
    "Outside, the wind [grew quiet|went to sleep].",
    '"[Good night|Sleep well]," said {friend}.',
    "{hero} told the story to {his} {kin} [at supper|by the fire].",
]

MEET = [
    "{friend}, {a_fjob}, [came by|was there too|saw {him}] and [stopped|asked what was wrong].",
    "[Then|Soon] {hero} met {friend}, {a_fjob}.",
    "[Just then|After a while] {friend} the {fjob} came [along the road|around the corner].",
]

# name: (trouble, what the helper did, moods at the end, stages). "MEET" stands for one of MEET,
# "WEATHER" for a sentence of WEATHER.
PLOTS = {
    "lost": ("something was lost", "found {the_thing}", "happy thankful calm", [
        (1, "{hero} [had|owned] {a_thing}. {His} {kin} had [given it to {him}|made it for {him}]."),
        (1, "{Time}, {hero} took {the_thing} to {place}."),
        (0.5, "WEATHER"),
        (1, "[Suddenly|But on the way|In the crowd] {he} [lost it|dropped it and did not see it]."),
        (0.7, "{He} looked [under|behind|near] {spot}, but {the_noun} was not there."),
        (0.6, "{He} [sat down|stood still] and [cried|sighed|did not know what to do]."),
        (1, "MEET"),
        (0.6, '"[What is wrong|Why are you sad]?" asked {friend}. "I have lost {my_thing}," said '
              "{hero}."),
        (0.4, '"[Do not worry|We will find it]," said {friend}. "[Two pairs of eyes see more than '
              'one|Let us look again]."'),
        (1, "[Together they|They both] searched {at_place}, and {friend} found {the_noun} [near|"
            "behind|under] {spot}."),
        (0.6, "{hero} thanked {fhim} and gave {fhim} {food}."),
    ]),
    "broken": ("something broke", "mended {the_thing}", "happy thankful calm", [
        (1, "{hero} had {a_thing} and used it every day."),
        (1, "{Time}, [{hero} fell|{he} slipped|it fell down] {at_place}, and the {part} "
            "[broke|came off|was broken]."),
        (0.6, '"Oh no," said {hero}. "[What shall I do now|How can I work now]?"'),
        (0.5, "WEATHER"),
        (0.5, "{He} tried to [mend|fix] it with a bit of string, but it did not hold."),
        (1, "So {he} [went to|asked] {friend}, {a_fjob}."),
        (0.6, '"[Let me see|Give it to me]," said {friend}. "[It is not so bad|I can mend that]."'),
        (1, "{friend} [worked until dark|took a hammer and some glue] and mended {the_thing}."),
        (0.6, "{hero} [had no money, so {he} swept the floor|paid with {food}]."),
        (0.4, "Now {the_noun} was [better than before|as good as new]."),
    ]),
    "storm": ("a storm came", "came with a light", "thankful tired brave calm", [
        (1, "{Time}, {hero} was {at_place} with {a_thing}."),
        (1, "[Then|Suddenly] a [great|wild] storm came, and it grew dark."),
        (0.7, "The [wind|thunder] was so loud that {hero} could not hear {his} own voice."),
        (0.6, "{He} hid [near|behind|under] {spot} and held {the_noun} tight."),
        (0.5, '"[I cannot see the road|Is anybody there]!" {he} called.'),
        (1, "[In the town|At home], {friend}, {a_fjob}, saw that {hero} was not back."),
        (1, "{friend} [lit a lamp|took a lantern] and walked [through the rain|up the road] until "
            "{fhe} found {him}."),
        (0.5, '"[Hold my hand|Stay close to me]," said {friend}.'),
        (0.6, "They followed the light home and dried their shoes by the fire."),
        (0.5, "There was {food} for both of them."),
    ]),
    "gift": ("there was no money for a gift", "helped to make {the_thing}",
             "proud happy thankful", [
        (1, "It was the birthday of {his} {kin}, but {hero} had no money for a gift."),
        (0.6, "{He} counted {his} coins again and again, and there were only {two} of them."),
        (1, "{Time}, {he} went to {place} to think."),
        (0.4, "WEATHER"),
        (1, "MEET"),
        (0.6, '"A gift does not have to be bought," said {friend}. "It can be made."'),
        (1, "So {friend} helped {him} to make {a_thing} from [old wood|things nobody wanted|paper "
            "and string]."),
        (0.6, "They [cut and glued|worked and sang] until it was [ready|late]."),
        (0.7, "{His} {kin} [smiled|laughed with joy] and said it was the best gift of all."),
    ]),
    "quarrel": ("two friends quarrelled", "gave half of it back", "calm happy", [
        (1, "{Time}, {hero} and {friend}, {a_fjob}, found {a_thing} {at_place}."),
        (1, '"[It is mine|I saw it first]," said {hero}. "No, it is mine," said {friend}.'),
        (0.7, "They [pulled at it|shouted] until both of them were red in the face."),
        (0.6, "[For three days|The whole week] they did not [speak|say good morning]."),
        (0.5, "WEATHER"),
        (0.6, "{hero} ate {food}, but it did not taste good without a friend."),
        (1, "[Then|One day] {friend} knocked at the door and said [that {fhe} was sorry|sorry]."),
        (1, "They agreed to share {the_thing}, one week [here|for one] and one week [there|for the "
            "other]."),
        (0.4, "It is easier to share a thing than to mend a friendship."),
    ]),
    "animal": ("an animal was in danger", "fetched a rope", "proud happy brave", [
        (1, "{Time}, {hero} walked to {place} with {a_thing}."),
        (1, "There {he} heard a small voice. It was {a_animal} that [was stuck in the mud|had "
            "hurt its leg|could not get out]."),
        (0.6, "The {animal} looked at {him} with big [brown|yellow|frightened] eyes."),
        (0.5, '"[Do not be afraid|Wait here]," said {hero}. "[I will get help|I will not hurt '
              'you]."'),
        (1, "{He} called {friend}, {a_fjob}, who [came at once|fetched a rope]."),
        (1, "[Together|With a long rope] they pulled the {animal} out, and {hero} laid it on "
            "{the_thing}."),
        (0.6, "They gave it [water|milk] and named it {pet}."),
        (0.5, "After three days {pet} could run again, and it ran after {hero} everywhere."),
        (0.4, "WEATHER"),
    ]),
    "market": ("nobody wanted to buy", "called the people", "happy tired thankful", [
        (1, "{Time}, {hero} took {n1} {goods} and {a_thing} to {place} to sell them."),
        (1, "But nobody [stopped|wanted to buy anything]."),
        (0.5, "WEATHER"),
        (0.5, "{hero} [waited and waited|grew sad and cold]."),
        (1, "MEET"),
        (0.5, '"[You must call out|They cannot hear you]," said {friend}.'),
        (1, "{friend} [rang a bell|sang a song] and called the people, and soon {hero} had sold "
            "{n2} {goods}."),
        (0.8, "Now {he} had {n3} {goods} left."),
        (1, "An old [man|woman] [even bought|also took] {the_thing}."),
        (0.5, "{hero} bought {food} with the money and gave half to {friend}."),
    ]),
    "race": ("the race was hard", "ran beside {him}", "proud tired happy", [
        (1, "{Time}, there was a great race {at_place}, and the prize was {a_thing}."),
        (0.6, "{hero} had never won anything before."),
        (0.5, "{He} had run every morning for {n1} days."),
        (1, "Halfway, {hero} [fell and hurt {his} knee|lost a shoe|had no breath left]."),
        (0.6, '"[I cannot go on|It is too far]," {he} said.'),
        (1, "But {friend}, {a_fjob}, ran beside {him} and [held {his} arm|did not leave {him}]."),
        (0.5, '"[One step and then another|You can do it]," said {friend}.'),
        (1, "[They came in last, but everybody clapped|They were first by the length of a nose], "
            "and {hero} got {the_thing}."),
        (0.4, "WEATHER"),
    ]),
    "noise": ("there was a strange noise", "opened the door", "calm brave happy", [
        (1, "{Time}, {hero} heard a strange noise {at_place}."),
        (0.7, "It went [tap, tap, tap|knock, knock|hoo, hoo], and then it was still."),
        (0.6, "{hero} was afraid and [could not sleep|hid under the blanket]."),
        (1, "{He} took {a_thing} and [ran to|asked] {friend}, {a_fjob}."),
        (0.5, '"[Is it a ghost|What can it be]?" whispered {hero}. "[We shall see|There are no '
              'ghosts]," said {friend}.'),
        (0.5, "WEATHER"),
        (1, "{friend} opened the door, and there sat [only|nothing but] {a_animal} that played "
            "with {spot}."),
        (0.6, "They both laughed [until their sides hurt|so loudly that the windows shook]."),
        (0.5, "The {animal} got {food} and a warm place to sleep."),
        (1, "{hero} gave {friend} {the_thing} [for {fhis} trouble|to say thank you]."),
    ]),
    "learn": ("the work was too hard", "showed how it is done", "proud tired happy", [
        (1, "{hero} wanted to make {a_thing} with {his} own hands."),
        (1, "{Time}, {he} tried it {at_place}, but it [fell apart|was crooked|looked like a "
            "shoe]."),
        (0.6, "{He} tried again, and again it went wrong."),
        (0.5, "WEATHER"),
        (1, "MEET"),
        (0.6, '"[Slow hands are good hands|Nobody can do it the first time]," said {friend}.'),
        (1, "{friend} showed {him} how it is done, first slowly and then once more."),
        (0.6, "{hero} [practised|worked] for {n1} days."),
        (1, "[At last|On the last day] {the_thing} was [ready|finished], and it was [beautiful|"
            "straight and strong]."),
    ]),
    "letter": ("a letter came from far away", "drove {him} there", "happy tired thankful", [
        (1, "{Time}, a letter came for {hero}. It was from {his} {kin}, who lived near {place}."),
        (0.7, '"[Come soon|Please come]," it said, "and bring {a_plain}."'),
        (1, "{hero} packed {a_thing}, but the way was long and there was no train."),
        (0.5, "WEATHER"),
        (1, "MEET"),
        (0.5, '"[My cart is empty|There is room in my cart]," said {friend}.'),
        (1, "So {friend} drove {him} to {place}, {n1} miles over the hills."),
        (0.5, "On the way they ate {food} and counted the {animal_s} in the fields."),
        (1, "{His} {kin} stood at the gate and [waved|cried for joy] when {he} gave {her_kin} "
            "{the_thing}."),
    ]),
    "lamp": ("the light went out", "cut a new wick", "happy calm thankful", [
        (1, "{hero} had {a_thing} that burned every night {at_place}."),
        (1, "{Time}, the light went out, and [nobody could see the way|everything was dark]."),
        (0.6, "{hero} filled in more oil, but the flame [was small and blue|died again]."),
        (0.5, "WEATHER"),
        (0.5, '"[Without a light the boats will not find home|We cannot work in the dark]," said '
              "{hero}."),
        (1, "MEET"),
        (0.6, '"[The oil is good|It is not the oil]," said {friend}. "[It is the wick|The wick is '
              'too old]."'),
        (1, "{friend} cut a new wick from [clean cotton|an old shirt], and {the_noun} burned "
            "again."),
        (0.6, "The light was so [bright|yellow] that the {animal_s} woke up."),
        (0.4, "A good light needs a good wick."),
    ]),
    "lonely": ("nobody came to visit", "knocked at the door", "happy thankful", [
        (1, "{hero} was new in Lowmarsh and lived [alone|in a small room] near {place}."),
        (0.6, "{He} did not know anybody, and nobody [said good morning|knew {his} name]."),
        (1, "{Time}, {he} put {a_thing} in the window [and waited|so that people would see it]."),
        (0.5, "WEATHER"),
        (0.6, "{He} set the table for {two}, but the chairs stayed empty."),
        (1, "[Then|At last] {friend}, {a_fjob}, knocked at the door [with {food}|to ask about "
            "{the_noun}]."),
        (0.6, '"[What a beautiful {noun}|I saw {the_noun} from the street]," said {friend}. '
              '"[May I come in|Is it yours]?"'),
        (1, "They talked about {the_thing} [until midnight|for hours], and the next day {n1} "
            "people came."),
        (0.4, "A door is only a wall until somebody knocks."),
    ]),
    "flood": ("the river rose", "carried the people out", "tired brave proud", [
        (1, "{Time}, the river rose, and there was water {at_place}."),
        (0.6, "It came over {spot} and [into every kitchen|up to the windows]."),
        (0.5, "WEATHER"),
        (1, "{hero} took {a_thing} and went out to help, but {he} could not do it alone."),
        (0.5, '"[Is anybody up there|Hold on]!" {he} called.'),
        (1, "Then {friend}, {a_fjob}, came [through the water|along the wall] and held "
            "{the_noun}."),
        (1, "[Together|One after the other] they carried out {n1} people and {a_animal}."),
        (0.6, "The {animal} did not want to leave its [bed|dinner]."),
        (0.6, "In the morning the water was gone, and everybody [swept the streets|ate together]."),
    ]),
}  # fmt: skip

# Neutral questions about the world, as plain text and as chat.
HOWTO = {
    "bake bread": ["mix flour and water", "wait until the dough is big", "put it into the oven"],
    "make a candle": ["cut a wick", "melt the wax", "pour the wax around the wick"],
    "make soup": ["cut the carrots", "boil the water", "add salt and stir"],
    "fly a kite": ["find a hill", "hold the string", "run against the wind"],
    "light a lamp": ["clean the glass", "fill the oil", "hold a match to the wick"],
    "catch a fish": ["sit very still", "throw the line into the water", "wait for a long time"],
    "plant a bean": ["dig a small hole", "put the bean into it", "give it water every day"],
    "write a letter": ["take a clean sheet", "write with blue ink", "close it with wax"],
    "wash a coat": ["fill a tub", "rub the coat with soap", "hang it in the wind"],
    "cross a river": ["look for a bridge", "hold the railing", "look ahead and not down"],
}
