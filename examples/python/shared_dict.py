"""A dict which processes share: nested, growing, and read like any other."""

import pumasi as mp


def greet(people, name):
    people[name] = {"visits": 0, "words": []}  # becomes shared all the way down
    for word in ("hello", "and", "goodbye"):
        people[name]["words"].append(word)
        people[name].add("visits")  # += 1, in one step which nobody can get between


if __name__ == "__main__":
    people = mp.Dict()
    workers = [mp.Process(target=greet, args=(people, name)) for name in ("Ada", "Grace")]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    for name in sorted(people):
        print(name, people[name]["visits"], people[name]["words"])
    plain = people.to_plain()  # an ordinary dict, for json, pickle or pprint
    print(type(plain).__name__, plain["Ada"])

# prints:
# Ada 3 ['hello', 'and', 'goodbye']
# Grace 3 ['hello', 'and', 'goodbye']
# dict {'visits': 3, 'words': ['hello', 'and', 'goodbye']}
