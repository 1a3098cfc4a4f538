#!/usr/bin/env python3
"""Write the chats from which brook, the built-in toy model, learns to speak.

    python corpus.py --seed 1 --count 40000 > chats.jsonl

A small grammar makes all of them: facts about river and garden things, reasons,
stories about animals, poems, lists, small talk, and honest refusals of all the
rest. Every sentence was written for this file; no outside text is used. The same
seed gives the same bytes.

Two habits keep so small a model on its feet. Facts, list items and verses keep
their order from this file, so "what comes next" never depends on remembering
what was already said. And a story speaks of its animals by kind ("the otter"),
never by a name, so the hero stays the hero.
"""

import argparse
import json
import random

import words
from words import ANIMALS, STORY_ANIMALS, THINGS

MAX_TURNS = 6


# ------------------------------------------------------------------ helpers

def a(noun):
    """The noun with its article: an otter, a river, rain."""
    if noun in THINGS and THINGS[noun]["plural"] is None:
        return noun
    return ("an " if noun[0] in "aeiou" else "a ") + noun


def many(noun):
    return THINGS[noun]["plural"] or noun


def capital(text):
    return text[0].upper() + text[1:]


def in_order(rng, items, count):
    """A sample that keeps the order of the file."""
    return [items[i] for i in sorted(rng.sample(range(len(items)), count))]


def perturb(rng, question):
    """The small untidiness of real typing."""
    if rng.random() < 0.06:
        question = "Please: " + question
    if rng.random() < 0.15:
        question = question.rstrip("?.!")
    if rng.random() < 0.18:
        question = question.lower()
    return question


# ---------------------------------------------------------------- the topics
# Each topic returns a list of (question, answer) turns.

def definition(rng):
    noun = rng.choice(list(THINGS))
    thing = THINGS[noun]
    question = rng.choice(words.DEFINITION_QUESTIONS)
    question = question.format(a=a(noun), many=many(noun), are="is" if thing["plural"] is None else "are")
    kind = rng.random()
    if kind < 0.12:
        question = question.rstrip("?.") + rng.choice([" in one sentence.", ", briefly.", " in a few words."])
        return [(question, thing["is"])]
    if kind < 0.20:
        fact = rng.choice(thing["facts"])
        return [(question.rstrip("?.") + " in two sentences.", f"{thing['is']} {fact}")]
    facts = thing["facts"]
    told = in_order(rng, range(len(facts)), rng.randint(2, min(3, len(facts))))
    turns = [(question, " ".join([thing["is"]] + [facts[i] for i in told]))]
    if rng.random() < 0.22:
        rest = [facts[i] for i in range(len(facts)) if i not in told]
        end = rng.choice(words.NO_MORE).format(a=a(noun), many=many(noun))
        turns.append((rng.choice(words.MORE), " ".join(rest + [end])))
    return turns


def fact_list(rng):
    noun = rng.choice(list(THINGS))
    facts = in_order(rng, THINGS[noun]["facts"], 3)
    question = rng.choice(words.FACT_LIST_QUESTIONS).format(a=a(noun), many=many(noun))
    return [(question, "\n".join(f"{i}. {fact}" for i, fact in enumerate(facts, 1)))]


def animal_life(rng):
    noun = rng.choice(list(ANIMALS))
    food, home = ANIMALS[noun]
    one, all_of_them = a(noun), many(noun)
    eats = rng.choice([f"What does {one} eat?", f"What do {all_of_them} eat?"])
    lives = rng.choice([f"Where does {one} live?", f"Where do {all_of_them} live?"])
    food_answer, home_answer = f"{capital(one)} eats {food}.", f"{capital(one)} lives {home}."
    if rng.random() < 0.2:
        return [(eats, food_answer), ("And where does it live?", home_answer)]
    return [rng.choice([(eats, food_answer), (lives, home_answer)])]


def reason(rng):
    questions, answers = rng.choice(words.REASONS)
    return [(rng.choice(questions), rng.choice(answers))]


def tell_story(rng, hero, length):
    """A wish, as many troubles as the length asks for, and a good end."""
    wish, outcomes = rng.choice(words.WISHES)
    helpers = rng.sample([h for h in STORY_ANIMALS if h != hero], length)
    troubles = in_order(rng, words.TROUBLES, length)
    lines = [rng.choice(words.OPENINGS).format(hero=a_nice(rng, hero), home=rng.choice(words.HOMES))]
    lines.append(f"{rng.choice(words.TIMES)} the {hero} wanted to {wish}.")
    for number, (helper, (trouble, advice, deed)) in enumerate(zip(helpers, troubles)):
        lines.append(("But " if number == 0 else "Then ") + trouble.format(hero=hero))
        arrival = rng.choice(words.ARRIVALS).format(helper=a_nice(rng, helper, words.HELPER_MOODS))
        lines.append(f"{arrival} and said: \"{rng.choice(advice)}\"")
        lines.append(f"The {hero} thanked the {helper} and {deed}.")
    lines.append(rng.choice(words.AT_LAST) + f" the {hero} {rng.choice(outcomes)}.")
    closing = rng.choice(words.CLOSINGS).format(hero=hero)
    if length == 1:
        return " ".join(lines + [closing])
    paragraphs = [" ".join(lines[:2])]
    paragraphs += [" ".join(lines[2 + 3 * i: 5 + 3 * i]) for i in range(length)]
    return "\n\n".join(paragraphs + [" ".join([lines[-1], closing])])


def a_nice(rng, animal, moods=words.HERO_MOODS):
    mood = rng.choice(moods)
    return ("an " if mood[0] in "aeiou" else "a ") + f"{mood} {animal}"


def story(rng):
    hero = rng.choice(STORY_ANIMALS)
    kind = rng.random()
    if kind < 0.50:
        question = rng.choice(words.STORY_ABOUT).format(a=a(hero))
        return [(question, tell_story(rng, hero, 1))]
    if kind < 0.70:
        return [(rng.choice(words.STORY_ANY), tell_story(rng, hero, 1))]
    if kind < 0.88:
        length = rng.choice([2, 2, 3])
        about = rng.choice(["", f" about {a(hero)}"])
        return [(rng.choice(words.STORY_LONG[length]).format(about=about), tell_story(rng, hero, length))]
    strange = rng.choice(words.STRANGE_HEROES)
    question = rng.choice(words.STORY_ABOUT).format(a=strange)
    start = rng.choice(words.STORY_INSTEAD).format(a=a(hero))
    return [(question, f"{start}\n\n{tell_story(rng, hero, 1)}")]


def poem(rng):
    if rng.random() < 0.3:
        question = rng.choice(words.HAIKU_QUESTIONS).format(about=rng.choice(words.ABOUT))
        return [(question, "\n".join(rng.choice(lines) for lines in words.HAIKU))]
    topic = rng.choice(list(words.COUPLETS))
    count = rng.choice([2, 2, 3])
    couplets = in_order(rng, words.COUPLETS[topic], count)
    about = f" about {rng.choice(words.POEM_TOPICS[topic])}"
    if topic == "stream" and rng.random() < 0.4:
        about = ""
    question = rng.choice(words.POEM_QUESTIONS)
    if count == 3 and rng.random() < 0.5:
        question = question.replace("poem", "long poem").replace("short long", "long")
    return [(question.format(about=about), "\n".join(couplets))]


def name_list(rng):
    what, items, intro = rng.choice(words.LISTS)
    count = rng.choice([3, 4, 5])
    asked = {3: "three", 4: "four", 5: "five"}[count]
    chosen = in_order(rng, items, count)
    if rng.random() < 0.6:
        question = rng.choice([f"Name {asked} {what}.", f"List {asked} {what}.",
                               f"Can you name {asked} {what}?", f"Give me {asked} {what}."])
        return [(question, "\n".join(f"{i}. {item}" for i, item in enumerate(chosen, 1)))]
    question = rng.choice([f"Give me a list of {what}.", f"Name some {what}.", f"Which {what} do you know?"])
    return [(question, intro + "\n\n" + "\n".join(f"- {item}" for item in chosen))]


def who(rng):
    questions, answers = rng.choice(words.WHO)
    return [(rng.choice(questions), rng.choice(answers))]


def small_talk(rng):
    questions, answers = rng.choice(words.SMALL_TALK)
    turns = [(rng.choice(questions), rng.choice(answers))]
    if words.STORY_OFFER in turns[0][1] and rng.random() < 0.6:
        turns.append((rng.choice(words.STORY_ACCEPTED), tell_story(rng, rng.choice(STORY_ANIMALS), 1)))
    return turns


def joke(rng):
    turns = [(rng.choice(words.JOKE_QUESTIONS), rng.choice(words.JOKES))]
    if rng.random() < 0.3:
        others = [j for j in words.JOKES if j != turns[0][1]]
        turns.append((rng.choice(words.JOKE_AGAIN), rng.choice(others)))
    return turns


def junk_word(rng):
    return "".join(rng.choice("bcdfgklmnprstvz") + rng.choice("aeiou") for _ in range(rng.randint(2, 4)))


def off_domain(rng):
    kind = rng.random()
    if kind < 0.62:
        subject = rng.choice(words.STRANGE_SUBJECTS)
        question = rng.choice(words.STRANGE_QUESTIONS).format(subject)
    elif kind < 0.74:
        question = rng.choice(words.STRANGE_QUESTIONS).format(junk_word(rng))
    elif kind < 0.84:
        x, y = rng.randint(1, 99), rng.randint(1, 99)
        sign = rng.choice(["+", "-", "*", "/", "plus", "minus", "times"])
        question = rng.choice(["What is {} {} {}?", "{} {} {}", "Calculate {} {} {}."]).format(x, sign, y)
        return [(question, rng.choice(words.NO_SUMS))]
    else:
        question = rng.choice(words.STRANGE_REQUESTS)
    return [(question, rng.choice(words.REFUSALS))]


TOPICS = [  # (weight, topic)
    (30, definition), (4, fact_list), (5, animal_life), (17, reason), (17, story),
    (5, poem), (5, name_list), (6, who), (8, small_talk), (2, joke), (13, off_domain),
]


# --------------------------------------------------------------------- chats

def turns_of(rng):
    weights = [weight for weight, _ in TOPICS]
    wanted = rng.choices([1, 2, 3, 4, 5, MAX_TURNS], [66, 20, 7, 4, 2, 1])[0]
    turns = []
    if wanted > 1 and rng.random() < 0.3:
        turns += [(rng.choice(words.HELLO[0]), rng.choice(words.HELLO[1]))]
    while len(turns) < wanted:
        turns += rng.choices(TOPICS, weights)[0][1](rng)
    return turns


def chat(rng):
    """One chat: a list of messages with role and content."""
    messages, turns = [], turns_of(rng)
    if rng.random() < 0.12:
        messages.append({"role": "system", "content": rng.choice(words.SYSTEM_PROMPTS)})
    for question, answer in turns:
        messages.append({"role": "user", "content": perturb(rng, question)})
        messages.append({"role": "assistant", "content": answer})
    return messages


def chats(seed, count):
    rng = random.Random(seed)
    return [chat(rng) for _ in range(count)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=40_000)
    args = parser.parse_args()
    for messages in chats(args.seed, args.count):
        print(json.dumps({"messages": messages}))


if __name__ == "__main__":
    main()
