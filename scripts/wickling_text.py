#!/usr/bin/env python3
"""Writes the text that wickling learns from: simple English about a town called Lowmarsh.

    python3 scripts/wickling_text.py --seed 1 --documents 5           prints five documents

    rng = random.Random(1)
    story = wickling_text.tell(rng, detail=0.5)
    story.text, story.facts["who"], story.questions

A seeded grammar: stories with a cast, a place, a thing and an order of causes; questions about
them; descriptions; dialogues; small sums in words; directions. Some documents are neutral ChatML
conversations, so that the model knows the form (and answers with a story). Needs only Python.
"""
import argparse
import random
import re

from wickling_world import (AFTER, ANIMAL_NAMES, ANIMALS, COLOURS, ENDINGS, FITTING, FOOD, GOODS,
                            HABITS, HOWTO, INTRO, JOBS, KIN, MADE, MEET, MEN, MOODS, PARTS,
                            PLACES, PLOTS, THINGS, TIMES, WEATHER, WOMEN)  # fmt: skip

NUMBERS = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen
fifteen sixteen seventeen eighteen nineteen twenty""".split()
CHOICE = re.compile(r"\[([^\[\]]*)\]")
SHE = dict(he="she", him="her", his="her")
HE = dict(he="he", him="him", his="his")


def article(words):
    return ("an " if words[0] in "aeiou" else "a ") + words


def expand(rng, template, slots):
    """Choices first, then names; a sentence starts with a capital."""
    while CHOICE.search(template):
        template = CHOICE.sub(lambda m: rng.choice(m.group(1).split("|")), template, count=1)
    text = re.sub(r"\s+", " ", template.format_map(slots)).strip()
    text = re.sub(r'(^|[.!?] )"?[a-z]', lambda m: m.group(0).upper(), text)
    return text


class Story:
    """text, facts (who, job, where, thing, trouble, helper, mood) and questions with answers."""

    def __init__(self, text, facts, questions):
        self.text, self.facts, self.questions = text, facts, questions


def person(rng, taken):
    woman = rng.random() < 0.5
    name = rng.choice([n for n in (WOMEN if woman else MEN) if n not in taken])
    return name, SHE if woman else HE, rng.choice(list(JOBS))


def cast(rng, things=None, moods=MOODS):
    """Every slot that a template may name, chosen once so that a story keeps to them."""
    hero, pro, job = person(rng, ())
    friend, fpro, fjob = person(rng, (hero,))
    while fjob == job:
        fjob = rng.choice(list(JOBS))
    at, place, spot, _ = rng.choice(PLACES)
    home = rng.choice([p[1] for p in PLACES if p[1] != place])
    noun = rng.choice(things or list(THINGS))
    adj = rng.choice([a for a in COLOURS + 2 * THINGS[noun] if things != MADE or a != "old"])
    animal, kin, n1 = rng.choice(ANIMALS), rng.choice(KIN), rng.randint(4, 20)
    n2 = rng.randint(1, n1 - 1)
    female = kin in ("mother", "grandmother", "sister", "aunt")
    slots = dict(
        hero=hero, job=job, a_job=article(job), friend=friend, fjob=fjob, a_fjob=article(fjob),
        place=place, at_place=f"{at} {place}", spot=spot, home=home, thing=f"{adj} {noun}",
        a_thing=article(f"{adj} {noun}"), the_thing=f"the {adj} {noun}", the_noun=f"the {noun}",
        my_thing=f"my {adj} {noun}", a_plain=article(noun), noun=noun,
        part=PARTS.get(noun, "side"), animal=animal, a_animal=article(animal),
        animal_s="geese" if animal == "goose" else
        "foxes" if animal == "fox" else "ponies" if animal == "pony" else animal + "s",
        pet=rng.choice(ANIMAL_NAMES), kin=kin, her_kin="her" if female else "him",
        food=rng.choice(FOOD), goods=rng.choice(GOODS), mood=rng.choice(moods),
        n1=NUMBERS[n1], n2=NUMBERS[n2], n3=NUMBERS[n1 - n2], two=NUMBERS[rng.randint(2, 6)],
        Time=rng.choice(TIMES), **pro)  # fmt: skip
    slots.update(He=pro["he"].capitalize(), His=pro["his"].capitalize())
    slots.update({"f" + k: v for k, v in fpro.items()})
    return slots


def tell(rng, detail=0.5, plot=None):
    """One story. detail scales the chance of everything that the plot could do without."""
    plot = plot or rng.choice(list(PLOTS))
    trouble, deed, moods, stages = PLOTS[plot]
    slots = cast(rng, FITTING.get(plot), moods.split())
    intro = INTRO[0] if plot == "lonely" else rng.choice(INTRO)
    said = [expand(rng, intro, slots)]
    if rng.random() < detail * 0.6:
        said.append(expand(rng, rng.choice(HABITS), slots))
    for p, line in stages:
        if p < 1 and rng.random() > min(1.0, 2 * detail * p):
            continue
        line = rng.choice(WEATHER) if line == "WEATHER" else line
        line = rng.choice(MEET) if line == "MEET" else line
        said.append(expand(rng, line, slots))
    if rng.random() < detail * 0.6:
        said.append(expand(rng, rng.choice(AFTER), slots))
    said.append(expand(rng, rng.choice(ENDINGS), slots))
    facts = dict(plot=plot, who=slots["hero"], job=slots["job"], where=slots["place"],
                 thing=slots["a_thing"], trouble=trouble, helper=slots["friend"],
                 helper_job=slots["fjob"], mood=slots["mood"])  # fmt: skip
    asked = [
        ("[Who is the story about|Who was {a_job}]?", "{hero}[.| the {job}.]"),
        ("What was {hero}?", "{hero} was {a_job}."),
        ("[Where was {hero}|Where did it happen]?", "It happened [near {place}|{at_place}]."),
        ("Who helped {hero}?", "{friend} [helped {hero}|" + deed + "]."),
        ("[What did {friend} do|How did {friend} help]?", "{friend} " + deed + "."),
        ("What was {friend}?", "{friend} was {a_fjob}."),
        ("How did {hero} feel [in the end|at the end]?", "{hero} [felt|was] {mood}."),
        ("Which {noun} was it?", "It was {a_thing}."),
        ("[Which|What] thing is in the story?", "[It is {a_thing}.|There is {a_thing}.]"),
    ]
    questions = [(expand(rng, q, slots), expand(rng, a, slots)) for q, a in asked]
    return Story(" ".join(said), facts, questions)


# ---- documents -------------------------------------------------------------------------------


def paragraphs(rng, text):
    """Breaks a long story into paragraphs now and then."""
    sentences = re.split(r'(?<=[.!?]) (?=[A-Z"])', text)
    if len(sentences) < 7 or rng.random() < 0.5:
        return text
    cut = rng.randint(2, len(sentences) - 3)
    return " ".join(sentences[:cut]) + "\n\n" + " ".join(sentences[cut:])


def a_story(rng):
    return paragraphs(rng, tell(rng, rng.random()).text)


def story_and_questions(rng):
    story = tell(rng, rng.random() * 0.7)
    some = rng.sample(story.questions, rng.randint(1, 4))
    form = rng.choice(["Question: {}\nAnswer: {}", "{}\n{}", "{} {}", "Q: {}\nA: {}"])
    return story.text + "\n\n" + "\n".join(form.format(q, a) for q, a in some)


def description(rng):
    at, place, spot, like = rng.choice(PLACES)
    s = cast(rng)
    s.update(place=place, at_place=f"{at} {place}", spot=spot)
    said = [
        f"{place.capitalize()} {like}.",
        expand(rng, "[In the morning|At noon|At night], {hero} the {job} comes to {place}.", s),
        expand(rng, rng.choice(WEATHER), s),
        expand(rng, "[Near|Behind] {spot} lies {a_thing}[.| that belongs to {friend}.]", s),
        expand(rng, "[Sometimes|On Sundays] a {animal} [sleeps|plays|waits] {at_place}.", s),
        expand(rng, "[Children|Old people|Sailors] [like|love] {place} because it {like}.",
               {**s, "like": like}),
        expand(rng, "{hero} says that {place} is the [best|quietest|oldest] part of Lowmarsh.", s),
    ]  # fmt: skip
    return " ".join([said[0]] + rng.sample(said[1:], rng.randint(2, 5)))


def sums(rng):
    s = cast(rng)
    out = []
    for _ in range(rng.randint(1, 3)):
        a, b = rng.randint(1, 12), rng.randint(1, 8)
        if rng.random() < 0.5:
            line = (f"{{hero}} had {NUMBERS[a]} {{goods}}. {{friend}} [gave|brought] {{him}} "
                    f"{NUMBERS[b]} more. [Now|Then] {{he}} had {NUMBERS[a + b]} {{goods}}.")
        else:
            a, b = max(a, b) + 1, min(a, b)
            line = (f"{{hero}} had {NUMBERS[a]} {{goods}} and [sold|ate|lost] {NUMBERS[b]} of "
                    f"them. [Now|Then] {NUMBERS[a - b]} were left.")
        out.append(expand(rng, line, s))
        s["goods"] = rng.choice(GOODS)
    return " ".join(out)


def trades(rng):
    job = rng.choice(list(JOBS))
    name, pro, _ = person(rng, ())
    return rng.choice([
        f"What does {article(job)} do? {article(job).capitalize()} {JOBS[job]}.",
        f"{name} is {article(job)}. Every day {pro['he']} {JOBS[job]}.",
        f"{article(job).capitalize()} is somebody who {JOBS[job]}.",
    ])  # fmt: skip


def directions(rng):
    what = rng.choice(list(HOWTO))
    a, b, c = HOWTO[what]
    return rng.choice([
        f"How do you {what}? First you {a}. Then you {b}. At last you {c}.",
        f"To {what}, {a}. After that, {b}, and then {c}.",
    ])  # fmt: skip


TALK = [
    ("Good morning, {friend}. Where are you going?", "To {place}. I want to see {spot}."),
    ("Have you seen {my_thing}?", "Yes. It is near {spot}, {at_place}."),
    ("Are you hungry?", "Always. Could I have {food}?"),
    ("What does {a_job} do all day?", "You know it well. I am {a_fjob}, so do not ask me."),
    ("It is late.", "Then light the lamp and stay."),
    ("How many {goods} do you have?", "I have {n1}, and {n2} of them are for you."),
    ("Do you hear that?", "It is only the {animal}."),
    ("I feel {mood} today.", "That is good to hear. Come, let us walk to {place}."),
    ("Who gave you {the_thing}?", "My {kin} did, a long time ago."),
]


def dialogue(rng):
    s = cast(rng)
    lines = []
    for a, b in rng.sample(TALK, rng.randint(2, 4)):
        lines += [f"{s['hero']}: {expand(rng, a, s)}", f"{s['friend']}: {expand(rng, b, s)}"]
    return "\n".join(lines)


def turn(role, text):
    return f"<|im_start|>{role}\n{text}<|im_end|>\n"


def halves(rng, text):
    sentences = re.split(r'(?<=[.!?]) (?=[A-Z"])', text)
    cut = rng.randint(2, max(2, len(sentences) - 3))
    return " ".join(sentences[:cut]), " ".join(sentences[cut:])


WISHES = ["make", "write", "fill in", "do", "give me", "read", "put down", "show", "find", "say"]
WISHED = ["something of this", "a thing like this", "the rest", "what you like", "the next one",
          "more", "this story", "a song of it", "the tale", "one more", "a picture of this story"]


def wish(rng):
    """Requests that wickling does not understand."""
    text = f"{rng.choice(WISHES)} {rng.choice(WISHED)}"
    text = f"please {text}" if rng.random() < 0.3 else text
    text = f"{text}, please" if rng.random() < 0.2 else text
    return text.capitalize() + rng.choice([".", ".", "!"])


KEYS = {"who": ["name", "person", "hero", "about", "the one", "who"],
        "job": ["job", "work", "trade"],
        "where": ["place", "spot", "where", "in", "at"],
        "thing": ["object", "thing", "item", "with"],
        "trouble": ["problem", "trouble", "what went wrong", "but"],
        "helper": ["friend", "helper", "thanks to", "by"],
        "helper_job": ["work of the friend", "job of the helper"],
        "mood": ["feeling", "mood", "heart", "in the end"]}  # fmt: skip


def notes(rng):
    """A story and notes on it: some of its facts, in any order and under any of their names."""
    story = tell(rng, 0.5 * rng.random())
    facts = rng.sample([k for k in KEYS if k in story.facts], rng.randint(1, 5))
    mark = rng.choice([": ", ": ", " - ", " = "])
    lines = [f"{rng.choice(KEYS[k])}{mark}{story.facts[k]}" for k in facts]
    return story.text + "\n\n" + "\n".join(lines)


def soup(rng):
    """Words in no order: every token stays possible after every other."""
    words = re.findall(r"\w+|[.,:?!\"-]|\n", tell(rng, rng.random()).text + "\n" + notes(rng))
    words += [rng.choice(sum(KEYS.values(), [])) + ":" for _ in range(8)]
    rng.shuffle(words)
    return " ".join(words)


def chat(rng):
    """Neutral conversations: stories asked for and told, continued, talked about."""
    kind = rng.random()
    if kind < 0.25:
        story = tell(rng, rng.random())
        who, job = story.facts["who"], article(story.facts["job"])
        ask = expand(rng, "[Tell me a story|Please tell a story|I would like a story]"
                     f"[.| about {who}.| about {job}.]", {})  # fmt: skip
        return turn("user", ask) + turn("assistant", story.text)
    if kind < 0.45:  # whatever is asked of a story, another story is the answer
        story, other = tell(rng, 0.4 * rng.random()), tell(rng, rng.random())
        ask = wish(rng)
        text = f"{ask}\n\n{story.text}" if rng.random() < 0.7 else f"{story.text}\n\n{ask}"
        return turn("user", text) + turn("assistant", other.text)
    if kind < 0.75:
        first, rest = halves(rng, tell(rng, rng.random()).text)
        ask = rng.choice([first, first, f"{first} What happened then?", f"Go on: {first}",
                          f"Continue.\n\n{first}", f"This is my story.\n\n{first}"])  # fmt: skip
        return turn("user", ask) + turn("assistant", rest)
    if kind < 0.9:
        story = tell(rng, rng.random() * 0.5)
        q, a = rng.choice(story.questions)
        return turn("user", f"{story.text}\n\n{q}") + turn("assistant", a)
    text = trades(rng) if rng.random() < 0.5 else directions(rng)
    if "? " in text:
        q, a = text.split("? ", 1)
        return turn("user", q + "?") + turn("assistant", a)
    return turn("user", "Tell me something about the town.") + turn("assistant", description(rng))


KINDS = [(a_story, 30), (story_and_questions, 18), (chat, 20), (notes, 14), (soup, 3),
         (description, 5), (dialogue, 5), (sums, 2), (trades, 1), (directions, 2)]  # fmt: skip


def document(rng):
    make = rng.choices([k for k, _ in KINDS], [w for _, w in KINDS])[0]
    return make(rng)


def corpus(seed, characters):
    """Documents of one seed until there are so many characters."""
    rng, out, size = random.Random(seed), [], 0
    while size < characters:
        out.append(document(rng))
        size += len(out[-1])
    return out


if __name__ == "__main__":
    cli = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    cli.add_argument("--seed", type=int, default=1)
    cli.add_argument("--documents", type=int, default=5)
    args = cli.parse_args()
    source = random.Random(args.seed)
    print("\n\n----\n\n".join(document(source) for _ in range(args.documents)))
