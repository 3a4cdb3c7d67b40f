"""Speech to train on: sentences of grammar.txt, spoken by espeak-ng in many voices.

    python speech.py --out DIR [--hours 30] [--seed 1]      shards DIR/00000.npz … of about 20 minutes each
    python speech.py --eval FILE [--sentences 240]          the sentences that `make wer` speaks, never trained on

A shard holds the utterances end to end as 16 kHz int16 and, for each, its length in samples, text, phonemes and words
with the times at which they begin (ms; a word by the place of its first letter), and voice. Only the
standard library, numpy and the shared library of espeak-ng (Debian: espeak-ng, libespeak-ng1) are needed; ffmpeg too,
for the part of the speech that goes through an Opus codec.
"""
import argparse
import ctypes
import json
import os
import random
import re
import subprocess
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
RATE = 16000
SAMPLES = HERE / '../../../deploy/samples/calls'
EVALUATION = HERE / '../../../deploy/wer/sentences.txt'
EVAL_SEED = 7_000_003  # of the sentences kept for `make wer`

# -- what is said ------------------------------------------------------------------------------------------------


class Grammar:
    """The rules of grammar.txt. sentence(rng) gives one sentence, words(rng) a meaningless string of its words."""

    def __init__(self, path=HERE / 'grammar.txt'):
        self.rules, rule = {}, None
        for line in path.read_text().splitlines():
            if not line.strip() or line.startswith('#'):
                continue
            if not line.startswith('|'):
                rule, line = (part.strip() for part in line.split('=', 1))
                self.rules[rule] = []
            self.rules[rule] += [alternative.strip() for alternative in line.strip('| ').split('|')]
        self.rules['words'] = self.rules['words'][0].split() if len(self.rules['words']) == 1 else sum(
            (line.split() for line in self.rules['words']), [])
        text = ' '.join(' '.join(alternatives) for alternatives in self.rules.values())
        found = re.findall(r"[A-Za-z']+", re.sub(r'\{[^}]*\}', ' ', text))
        found = {word for word in found if len(word) > 1 or word in 'aI'}
        self.vocabulary = sorted(word for word in found if word.islower() or word.lower() not in found)

    def expand(self, rule, rng):
        def put(match):
            name, title, plural = match.groups()
            text = self.expand(name, rng)
            if plural:
                text = pluralise(text)
            return text[:1].upper() + text[1:] if title else text
        return re.sub(r'\{(\w+)(:title)?\}(s\b)?', put, rng.choice(self.rules[rule]))

    def sentence(self, rng):
        text = tidy(self.expand('S', rng))
        if rng.random() < 0.1:
            for long, short in CONTRACTIONS:
                text = re.sub(long, short, text)
        return text

    def words(self, rng):
        # Strings without grammar teach the decoder to listen instead of guessing.
        words = [rng.choice(self.vocabulary) for _ in range(rng.choice((1, 2, 3, 4, 5, 6, 7)))]
        return tidy(' '.join(words) + rng.choice('...?'))


CONTRACTIONS = ((r'\bI am\b', "I'm"), (r'\b[Ii]t is\b', lambda m: m[0][0] + "t's"), (r'\bdo not\b', "don't"),
                (r'\bdoes not\b', "doesn't"), (r'\bcannot\b', "can't"), (r'\bI will\b', "I'll"), (r'\bI have\b(?= [a-z]+ed)', "I've"),
                (r'\bdid not\b', "didn't"), (r'\b([Ww])e will\b', r"\1e'll"), (r'\bThat is\b', "That's"), (r'\bis not\b', "isn't"))


def pluralise(word):
    if word.endswith('s') and not word.endswith('ss'):
        return word
    if re.search(r'(s|x|ch|sh)$', word):
        return word + 'es'
    return re.sub(r'([^aeiou])y$', r'\1ie', word) + 's'


def tidy(text):
    text = re.sub(r'\s+', ' ', text).strip()
    text = re.sub(r'\b([Aa]) (?=[aeiou])(?!(?:one|once|us|uni|eu))', r'\1n ', text)
    return text[:1].upper() + text[1:]


def plain(text):
    """The normal form in which words are compared: lower case, letters and apostrophes only."""
    return ' '.join(re.findall(r"[a-z']+", text.lower()))


def evaluation_sentences(count):
    """Sentences of four words or more from a seed of their own; those of the demo's recordings are left out."""
    grammar, rng, kept, demo = Grammar(), random.Random(EVAL_SEED), {}, demo_sentences()
    while len(kept) < count:
        text = grammar.sentence(rng)
        if 4 <= len(text.split()) <= 14 and plain(text) not in demo:
            kept[plain(text)] = text
    return list(kept.values())


def demo_sentences():
    """The longer sentences of the demo's recordings: their words are trained on, they themselves are not."""
    said = set()
    for path in SAMPLES.glob('*.txt'):
        for line in path.read_text().splitlines():
            if ': ' in line:
                said |= {plain(part) for part in re.split(r'(?<=[.!?]) ', line.split(': ', 1)[1])}
    return {text for text in said if len(text.split()) > 4}


# -- who says it -------------------------------------------------------------------------------------------------

ACCENTS = {'en-us': 8, 'en': 6, 'en-gb-x-rp': 2, 'en-gb-scotland': 1, 'en-029': 1, 'en-gb-x-gbcwmd': 1, 'en-us-nyc': 1}
VARIANTS = {'': 2, 'm1': 2, 'm2': 2, 'm3': 4, 'm4': 2, 'm5': 1, 'm6': 2, 'm8': 1, 'f1': 2, 'f2': 2, 'f3': 4, 'f4': 2,
            'Andy': 1, 'Alex': 1, 'Annie': 1, 'Denis': 1, 'Diogo': 1, 'Gene': 1, 'Jacky': 1, 'Lee': 1, 'Michael': 1,
            'Mr': 1, 'Nguyen': 1, 'Robert': 1, 'RicishayMax': 1, 'Steph': 1, 'steph2': 1, 'steph3': 1, 
            'belinda': 1, 'caleb': 1, 'david': 1, 'ed': 1, 'edward': 1, 'grandma': 1, 'grandpa': 1, 'iven': 1, 'john': 1,
            'kaukovalta': 1, 'linda': 1, 'marcelo': 1, 'michel': 1, 'miguel': 1, 'mike': 1, 'norbert': 1, 'pablo': 1,
            'paul': 1, 'pedro': 1, 'quincy': 1, 'rob': 1, 'robert': 1, 'sandro': 1, 'shelby': 1, 'travis': 1,
            'zac': 1}
HELD_OUT = ('en-us+m7', 'en+m7', 'en-us+f5', 'en+f5', 'en-gb-x-gbclan+m1', 'en-gb-x-gbclan+f2')  # only measured on; en is en-gb


class Event(ctypes.Structure):  # espeak_EVENT of speak_lib.h
    _fields_ = [('type', ctypes.c_int), ('id', ctypes.c_uint), ('text_position', ctypes.c_int), ('length', ctypes.c_int),
                ('audio_position', ctypes.c_int), ('sample', ctypes.c_int), ('user_data', ctypes.c_void_p), ('phoneme', ctypes.c_char * 8)]


class Espeak:
    """libespeak-ng, synchronous. Not thread-safe: one a process."""

    PARAMETERS = {'rate': 1, 'volume': 2, 'pitch': 3, 'range': 4}
    WORD, PHONEME = 1, 7  # types of events

    def __init__(self):
        self.lib = ctypes.CDLL('libespeak-ng.so.1')
        self.rate = self.lib.espeak_Initialize(2, 0, None, 1)  # synchronous, with events for phonemes
        if self.rate <= 0:
            raise SystemExit('speech.py: espeak-ng could not be started; is the package espeak-ng installed?')
        self.heard, self.words, self.phonemes = [], [], []
        self.callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(Event))(self._collect)
        self.lib.espeak_SetSynthCallback(self.callback)

    def _collect(self, wave, count, events):
        if wave and count:
            self.heard.append(ctypes.string_at(wave, 2 * count))
        n = 0
        while events[n].type:
            event = events[n]
            if event.type == self.WORD:
                self.words.append((event.text_position - 1, event.audio_position))
            elif event.type == self.PHONEME:
                self.phonemes.append((event.phoneme.decode(errors='replace').strip(), event.audio_position))
            n += 1
        return 0

    def voice(self, name, **parameters):
        """Chooses a voice such as en-us+m3; gives False if there is none of that name."""
        ok = self.lib.espeak_SetVoiceByName(name.encode()) == 0
        for key, value in parameters.items():
            self.lib.espeak_SetParameter(self.PARAMETERS[key], int(value), 0)
        return ok

    def say(self, text):
        """Speaks; gives the samples as float32 at self.rate. The times of words and phonemes stand in self then."""
        self.heard, self.words, self.phonemes, data = [], [], [], text.encode() + b'\0'
        self.lib.espeak_Synth(data, len(data), 0, 1, 0, 1, None, None)
        return np.frombuffer(b''.join(self.heard), np.int16).astype(np.float32) / 32768


def smooth(n):
    """The least 2·3·5-smooth number of at least n: lengths for which an FFT is quick."""
    while True:
        m = n
        for p in (2, 3, 5):
            while m % p == 0:
                m //= p
        if m == 1:
            return n
        n += 1


def resample(sound, rate, speed):
    """Gives the sound at 16 kHz, `speed` times as fast (and as high), by way of its spectrum."""
    blocks = smooth(-(-len(sound) // 441))
    spectrum = np.fft.rfft(sound, blocks * 441)
    length = round(blocks * 441 * RATE / rate / speed / 2) * 2
    bins = length // 2 + 1
    spectrum = spectrum[:bins] if bins <= len(spectrum) else np.pad(spectrum, (0, bins - len(spectrum)))
    return np.fft.irfft(spectrum, length).astype(np.float32)[:int(len(sound) * RATE / rate / speed)] * (length / (blocks * 441))


def trim(sound, margin=0.03):
    """Cuts the silence around the speech, keeping a margin in seconds. Gives the speech and where it began, in samples."""
    frames = np.abs(sound[:len(sound) // 160 * 160].reshape(-1, 160)).max(1)
    loud = np.flatnonzero(frames > 0.01 * frames.max()) if len(frames) else []
    if not len(loud):
        return sound[:0], 0
    keep = int(margin * 100)
    begin = max(0, loud[0] - keep) * 160
    return sound[begin:(loud[-1] + 1 + keep) * 160], begin


def opus(sound, rate):
    """The sound after an Opus codec at `rate`, as the demo's recordings have it."""
    raw = ['-f', 's16le', '-ar', str(RATE), '-ac', '1']
    coded = subprocess.run(['ffmpeg', '-nostdin', '-loglevel', 'error', *raw, '-i', 'pipe:0', '-c:a', 'libopus', '-application',
                            'voip', '-b:a', rate, '-frame_duration', '60', '-compression_level', '2', '-f', 'ogg', 'pipe:1'],
                           input=sound.tobytes(), capture_output=True, check=True).stdout
    heard = subprocess.run(['ffmpeg', '-nostdin', '-loglevel', 'error', '-i', 'pipe:0', *raw, 'pipe:1'],
                           input=coded, capture_output=True, check=True).stdout
    heard = np.frombuffer(heard, np.int16)[:len(sound)]
    return np.pad(heard, (0, len(sound) - len(heard)))


def utterance(espeak, grammar, rng, avoid):
    """One spoken sentence: samples, text, phonemes with their times, words with theirs, voice."""
    while True:
        text = grammar.words(rng) if rng.random() < 0.3 else grammar.sentence(rng)
        if plain(text) in avoid or len(text.split()) > 14:
            continue
        voice = pick(ACCENTS, rng) + (lambda v: v and '+' + v)(pick(VARIANTS, rng))
        if not espeak.voice(voice, rate=rng.gauss(165, 14), pitch=min(85, max(20, rng.gauss(50, 12))), range=min(85, max(20, rng.gauss(50, 12)))):
            continue
        speed = min(1.1, max(0.91, rng.gauss(1, 0.04)))
        sound, begin = trim(resample(espeak.say(text), espeak.rate, speed))
        if 0.15 * RATE < len(sound) < 9 * RATE:
            phonemes, words = ([(what, max(0, round(at / speed - begin * 1000 / RATE))) for what, at in times]
                               for times in (espeak.phonemes, espeak.words))
            return sound, text, phonemes, words, voice


def pick(weights, rng):
    return rng.choices(list(weights), list(weights.values()))[0]


def shard(number, seed, espeak, grammar, avoid, seconds=1200):
    rng = random.Random(seed * 1_000_003 + number)
    sounds, said = [], []
    while sum(map(len, sounds)) < seconds * RATE:
        sound, *words = utterance(espeak, grammar, rng, avoid)
        sounds.append((sound * (24000 / np.abs(sound).max())).astype(np.int16))
        said.append((len(sound), *words))
    some = len(sounds) // 12
    for k, rate in ((0, '10k'), (1, '16k')):
        part = slice(k * some, (k + 1) * some)
        heard = opus(np.concatenate(sounds[part]), rate)
        sounds[part] = np.split(heard, np.cumsum([len(s) for s in sounds[part]])[:-1])
    return np.concatenate(sounds), said


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--out', type=Path)
    parser.add_argument('--hours', type=float, default=30)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--eval', type=Path)
    parser.add_argument('--sentences', type=int, default=240)
    parser.add_argument('--pause-file', type=Path, help='wait while this file exists')
    given = parser.parse_args()
    if given.eval:
        given.eval.write_text('\n'.join(evaluation_sentences(given.sentences)) + '\n')
        return
    given.out.mkdir(parents=True, exist_ok=True)
    espeak, grammar = Espeak(), Grammar()
    avoid = demo_sentences() | {plain(line) for line in EVALUATION.read_text().splitlines()}
    for number in range(round(given.hours * 3)):
        path = given.out / f'{number:05}.npz'
        if path.exists():
            continue
        while given.pause_file and given.pause_file.exists():
            time.sleep(2)
        sound, said = shard(number, given.seed, espeak, grammar, avoid)
        with open(path.with_suffix('.part'), 'wb') as file:
            np.savez(file, sound=sound, said=json.dumps(said))
        os.replace(path.with_suffix('.part'), path)
        print(path, len(said), 'utterances', flush=True)


if __name__ == '__main__':
    main()
