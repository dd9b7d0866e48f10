"""Grouping near-duplicates: time, memory and planted near-copies found, beside datasketch's own index.

Half of the texts are drawn word by word, every fourth after one of fifty openings, as news is made of templates; the
other half are copies of them with up to four words exchanged. Each side runs in a process of its own. 'joined
wrongly': texts in a group with one of another family.

    python benchmarks/near_duplicates.py --texts 1000000 --peer-texts 100000
"""

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from nlp.texts.near_duplicates import WORDS, duplicate_groups, normalised

THRESHOLD = 0.5
VOCABULARY = 50_000
LENGTHS = (8, 30)
OPENINGS = 50
EXCHANGED = 4
PERMUTATIONS = 128
LETTERS = str.maketrans("0123456789", "abcdefghij")  # digits would all be read as one number


def families(texts: int) -> list[str]:
    """Originals, then a copy of each in the same order."""
    random = np.random.default_rng(0)
    frequency = np.cumsum(1.0 / np.arange(10, VOCABULARY + 10))  # falls with a word's rank, as in language
    lengths = random.integers(*LENGTHS, texts // 2)
    words = np.searchsorted(frequency, random.random(lengths.sum()) * frequency[-1])
    originals = np.split(words, np.cumsum(lengths)[:-1])
    openings = random.integers(VOCABULARY, size=(OPENINGS, 4))
    for row in range(0, len(originals), 4):
        originals[row][:4] = openings[random.integers(OPENINGS)]
    copies = [exchanged(one, random) for one in originals]
    return [" ".join(str(word).translate(LETTERS) for word in one) for one in [*originals, *copies]]


def exchanged(words: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The words with up to EXCHANGED of them drawn anew."""
    copy = words.copy()
    places = random.choice(len(copy), random.integers(EXCHANGED, endpoint=True), replace=False)
    copy[places] = random.integers(0, VOCABULARY, len(places))
    return copy


def ours(texts: list[str]) -> np.ndarray:
    return duplicate_groups(texts, threshold=THRESHOLD)


def datasketch_index(texts: list[str]) -> np.ndarray:
    """The index's candidates, each compared exactly."""
    from datasketch import MinHash, MinHashLSH

    grams = [gram_set(text) for text in texts]
    hashes = list(MinHash.generator(([g.encode() for g in held] for held in grams), num_perm=PERMUTATIONS))
    index = MinHashLSH(threshold=THRESHOLD, num_perm=PERMUTATIONS, weights=(0.05, 0.95))
    pairs = []
    for row, hashed in enumerate(hashes):
        pairs += [(row, other) for other in index.query(hashed) if similarity(grams[row], grams[other]) >= THRESHOLD]
        index.insert(row, hashed)
    one, other = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    graph = sparse.coo_array((np.ones(len(one), np.int8), (one, other)), shape=(len(texts), len(texts)))
    return np.asarray(connected_components(graph, directed=False)[1])


def gram_set(text: str) -> set[str]:
    words = normalised(text).split()
    return {" ".join(words[at : at + WORDS]) for at in range(max(len(words) - WORDS + 1, 1))}


def similarity(one: set[str], other: set[str]) -> float:
    return len(one & other) / len(one | other)


SIDES: dict[str, Callable[[list[str]], np.ndarray]] = {"newsfolio": ours, "datasketch": datasketch_index}


def measure(side: str, count: int) -> None:
    """Print one row of the table."""
    texts = families(count)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    clock, processor = time.perf_counter(), time.process_time()
    groups = SIDES[side](texts)
    clock, processor = time.perf_counter() - clock, time.process_time() - processor
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    cells = [side, f"{count:,}", f"{clock:.0f} s", f"{processor:.0f} s", f"{peak / 1024:,.0f} MB",
             *found(texts, groups), f"{joined_wrongly(groups):,}"]  # fmt: skip
    print(f"| {' | '.join(cells)} |", flush=True)


def found(texts: list[str], groups: np.ndarray) -> list[str]:
    """Which shares of the near-copies share their original's group, by their similarity to it."""
    half = len(texts) // 2
    near = np.array([similarity(gram_set(texts[row]), gram_set(texts[row + half])) for row in range(half)])
    together = groups[:half] == groups[half:]
    bands = ((THRESHOLD, 0.6), (0.6, 0.8), (0.8, 1.01))
    return [f"{100 * together[(near >= low) & (near < high)].mean():.2f} %" for low, high in bands]


def joined_wrongly(groups: np.ndarray) -> int:
    """Texts in a group with a text that is neither their original nor their copy."""
    family = np.arange(len(groups)) % (len(groups) // 2)
    order = np.lexsort((family, groups))
    other = (groups[order][1:] == groups[order][:-1]) & (family[order][1:] != family[order][:-1])
    return int(np.isin(groups, groups[order][1:][other]).sum())


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--texts", type=int, default=1_000_000)
    parser.add_argument("--peer-texts", type=int, default=100_000)
    parser.add_argument("--side", choices=list(SIDES), help="this side alone, in this process")
    given = parser.parse_args()
    if given.side:
        measure(given.side, given.texts)
        return
    print("| | texts | clock | processor | memory | found at 0.5-0.6 | 0.6-0.8 | 0.8-1 | joined wrongly |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |", flush=True)
    for side, count in (("newsfolio", given.texts), ("newsfolio", given.peer_texts), ("datasketch", given.peer_texts)):
        subprocess.run([sys.executable, __file__, "--side", side, "--texts", str(count)], check=True)  # noqa: S603 - our own file


if __name__ == "__main__":
    main()
