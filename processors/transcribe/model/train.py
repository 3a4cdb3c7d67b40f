"""Trains the demonstration model on the speech of speech.py; README.md has the command and the figures.

    python train.py --data DIR --out DIR [--minutes 90] [--device cpu] [--width 192 --layers 4]

Besides the decoder's next token three losses bring listening about within minutes: which phoneme and which word is
spoken at each frame of the encoder, and where one head of the decoder listens; espeak-ng tells the times. The course is
measured in time, not steps: single sentences, then also windows of several and the 30 s windows of whisper.cpp.
DIR/last.pt is written every few minutes; the same command goes on from it. export.py makes the ggml file.
"""
import argparse
import copy
import json
import random
import signal
import struct
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from muon import Muon
from net import BEGIN, EOT, NOSPEECH, PREV, SOT, STAMPS, Model
from speech import RATE, Grammar, plain, pluralise

FRAME = 320  # samples of one encoder frame and of one timestamp: 20 ms


class Tokens:
    """Greedy longest match over the vocabulary of a ggml file, which is also how whisper.cpp cuts prompts."""

    def __init__(self, ggml):
        with open(ggml, 'rb') as file:
            file.seek(48)
            mels, bins = struct.unpack('2i', file.read(8))
            self.filters = np.frombuffer(file.read(4 * mels * bins), np.float32).reshape(mels, bins)
            count, = struct.unpack('i', file.read(4))
            self.text = [file.read(struct.unpack('i', file.read(4))[0]) for _ in range(count)]
        self.number = {text: n for n, text in enumerate(self.text)}

    def encode(self, text):
        data, found = b' ' + text.encode(), []
        while data:
            end = next(n for n in range(min(len(data), 24), 0, -1) if data[:n] in self.number)
            found.append(self.number[data[:end]])
            data = data[end:]
        return found

    def spans(self, encoded, words, length):
        """The stretch of sound, in samples, in which each token's word is spoken; words: (place of letter, ms)."""
        begins = [ms * RATE // 1000 for _, ms in words] + [length]
        spans, place = [], -1  # of the token's first byte; the text has a space put before it
        for token in encoded:
            first = place + self.text[token].startswith(b' ')
            word = max([n for n, (at, _) in enumerate(words) if at <= first], default=0)
            spans.append((begins[word], begins[word + 1]) if words and self.text[token] not in (b'.', b'?', b'!') else (length - 1600, length + 3200))
            place += len(self.text[token])
        return spans

    def decode(self, tokens):
        return b''.join(self.text[t] for t in tokens if t < EOT).decode(errors='replace').strip()


class Corpus:
    """The shards there are; look() takes in those that have come since."""

    def __init__(self, folder, tokens):
        self.folder, self.tokens, self.seen, self.said, self.seconds, self.phonemes = folder, tokens, set(), [], 0, {}
        self.row = {}  # of each token that has one; text with others, or with words that the grammar has no more, is left out

    def look(self):
        known = {word.lower() for word in Grammar().vocabulary}
        known |= {pluralise(word) for word in known}
        for path in sorted(self.folder.glob('*.npz')):
            if path.name in self.seen:
                continue
            self.seen.add(path.name)
            with np.load(path) as file:
                sound, at = file['sound'], 0
                for length, text, phonemes, words, _voice in json.loads(str(file['said'])):
                    begins = np.array([0] + [ms * RATE // 1000 for _, ms in phonemes])
                    numbers = np.array([0] + [0 if p in ('', '_', '_:', ';') else self.phonemes.setdefault(p, len(self.phonemes) % 159 + 1) for p, _ in phonemes])
                    encoded = self.tokens.encode(text)
                    if self.row.keys() >= set(encoded) and all(word in known or "'" in word for word in plain(text).split()):
                        spans = self.tokens.spans(encoded, words, length)
                        spoken = [(span[0], self.row[token]) for span, token in zip(spans, encoded) if self.tokens.text[token][0] == 32]
                        whole = (sound[at:at + length], encoded, begins, numbers, spans, *np.array(spoken).T)
                        self.said += [whole, *parts(whole)]
                    at += length
            self.seconds += len(sound) / RATE


def parts(said):
    """The pieces of a sentence between its pauses: the transcriber may cut there."""
    sound, text, begins, numbers, spans, starts, rows = said
    speaks = np.flatnonzero(numbers > 0)
    cuts = [(begins[a + 1] + begins[b]) // 2 for a, b in zip(speaks, speaks[1:]) if begins[b] - begins[a + 1] > 0.15 * RATE] if len(speaks) else []
    for a, b in zip([0, *cuts], [*cuts, len(sound)]) if cuts else ():
        inside = [n for n, (begin, _) in enumerate(spans[:-1]) if a <= begin < b] + ([len(spans) - 1] if b == len(sound) else [])
        words = (starts >= a) & (starts < b)
        if inside and words.any():
            yield (sound[a:b], [text[n] for n in inside], np.maximum(begins - a, 0) if a else begins, numbers,
                   [(spans[n][0] - a, min(spans[n][1], b) - a) for n in inside], starts[words] - a, rows[words])


class Window:
    """Sentences laid on a stretch of silence: sound, decoder tokens and phonemes. Timestamps count from `offset` frames."""

    def __init__(self, seconds, offset):
        self.sound, self.offset, self.end = np.zeros(int(seconds * RATE), np.float32), offset, 0
        self.tokens, self.spans = [], []
        self.phonemes = np.zeros(len(self.sound) // FRAME, np.int64)  # of each frame; 0 is silence
        self.words = np.full(len(self.phonemes), -1)  # rows of the tokens that words begin with; -1 is silence

    def stamp(self, sample):
        return min(BEGIN + STAMPS - 1, BEGIN + self.offset + round(sample / FRAME))

    def put(self, said, gap, gain):
        """Lays a sentence `gap` seconds after the last; False, and nothing done, if it does not fit."""
        sound, text, begins, numbers, spans, starts, rows = said
        at = self.end + int(gap * RATE)
        if at + len(sound) > len(self.sound):
            return False
        self.sound[at:at + len(sound)] = sound * np.float32(gain / 32768)
        self.end = at + len(sound)
        self.tokens += [self.stamp(at), *text, self.stamp(self.end)]
        self.spans += [(at - 800, at + 2400), *((at + a, at + b) for a, b in spans), (self.end - 2400, self.end + 800)]
        frames = np.arange(-(-at // FRAME), min(self.end // FRAME, len(self.phonemes)))
        place = frames * FRAME + FRAME // 2 - at
        self.phonemes[frames] = numbers[np.searchsorted(begins, place, side='right') - 1]
        self.words[frames] = np.where(self.phonemes[frames] > 0, rows[np.searchsorted(starts, place, side='right') - 1], -1)
        return True

    def cut(self, said, gap, gain):
        """A last sentence that the window's end cuts off: only the time at which it begins is told."""
        at = self.end + int(gap * RATE)
        room = len(self.sound) - at
        if 0.3 * RATE < room < len(said[0]):
            self.sound[at:] = said[0][:room] * np.float32(gain / 32768)
            self.tokens.append(self.stamp(at))
            self.spans.append((at - 800, at + 2400))
            self.phonemes[at // FRAME:] = -1


def windows(corpus, rng, share, seconds):
    """A batch of about `seconds` of windows for the given share (0 to 1) of the course."""
    def gap():
        return rng.choice((0.1, 0.25, 0.4, 0.6, 0.6, 1.0, 2.5)) * rng.uniform(0.5, 1.2)

    def one(length, offset, limit=99):
        window, level, start = Window(length, offset), 10 ** rng.uniform(-1.3, 0.1), rng.choice((0, 0.1, 0.3, 0.5, 1.0)) * rng.random()
        for n in range(limit):
            said = rng.choice(corpus.said)
            gain = level * rng.uniform(0.7, 1.4)
            if not window.put(said, gap() if n else start, gain):
                if limit > 50:
                    window.cut(said, gap(), gain)
                break
        return window

    if share > 0.65 and rng.random() < 0.08:  # as whisper.cpp has it
        count = max(2, round(seconds / 30))
        made = [one(30, 0, rng.choice((0, 1, 1, 1, 2, 3, 99))) for _ in range(count)]
        for window in made:
            window.sound = np.pad(window.sound, (0, 30 * RATE - len(window.sound)))
            window.phonemes = np.pad(window.phonemes, (0, 1500 - len(window.phonemes)))
            window.words = np.pad(window.words, (0, 1500 - len(window.words)), constant_values=-1)
        return made, 0
    if share > 0.4 and rng.random() < min(0.35, (share - 0.35) * 2.5):
        length = rng.choice((4, 5, 6, 7))
        offset = rng.choice((0, 0, rng.randrange(0, 1500 - 50 * length)))
        return [one(length, offset) for _ in range(max(2, round(seconds / length)))], offset
    pool = sorted(rng.choices(corpus.said, k=160), key=lambda said: len(said[0]))
    at = rng.randrange(len(pool) - 1)
    length = len(pool[at][0]) / RATE + rng.uniform(0.1, 0.8)
    offset = rng.choice((0, 0, rng.randrange(0, 1500 - int(50 * length) - 8)))
    made = []
    for said in reversed(pool[max(0, at + 1 - round(seconds / length)):at + 1]):
        window = Window(length, offset)
        window.put(said, rng.uniform(0, length - len(said[0]) / RATE) * min(1, 0.8 / (length - len(said[0]) / RATE)), 10 ** rng.uniform(-1.3, 0.2))
        made.append(window)
    return made, offset


class Ear(torch.nn.Module):
    """Sound to the log mel spectrum of whisper.cpp; in training by way of a random telephone line."""

    def __init__(self, filters):
        super().__init__()
        self.register_buffer('filters', torch.tensor(filters))
        self.register_buffer('hann', torch.hann_window(400))
        self.register_buffer('noise', torch.empty(4_000_000).exponential_())  # power of white noise; drawn once, it is slow

    def line(self, power):
        """Band, tilt, hiss and coding noise, drawn for each sound of the batch: power is batch x 201 x frames."""
        size, hertz = len(power), torch.linspace(0, 8000, 201, device=power.device)[None]

        def draw(low, high):
            return torch.empty(size, 1, device=power.device).uniform_(low, high)

        def band(low, high):
            return torch.sigmoid((hertz - low) / 25) * torch.sigmoid((high - hertz) / 60)
        phone = draw(0, 1) < 0.65
        curve = torch.where(phone, band(draw(180, 340), draw(3200, 3800)), band(draw(30, 160), draw(3900, 12000)))
        curve = curve * 10 ** (draw(-0.8, 0.8) * (hertz / 4000 - 0.5)) + 1e-9
        power = power * curve[:, :, None]
        loud = power.mean((1, 2))[:, None, None]
        hiss = loud * 10 ** draw(-6.5, -1.3)[:, :, None] * (10 ** (draw(-1.5, 0.5) * hertz / 4000))[:, :, None]
        hiss = hiss * torch.where(draw(0, 1) < 0.5, curve, torch.ones_like(curve))[:, :, None]
        hiss = hiss * (draw(0, 1) < 0.7)[:, :, None]
        coding = power.mean(1, keepdim=True) * (10 ** draw(-5, -2.3) * (draw(0, 1) < 0.5) * curve)[:, :, None]
        need = power.numel()
        noise = self.noise.repeat(-(-need // (len(self.noise) // 2)))
        noise = noise[(at := int(torch.randint(len(self.noise) // 2, (1,)))):at + need].view_as(power)
        return torch.addcmul(power, hiss + coding, noise)

    def forward(self, sound, train):
        spectrum = torch.stft(sound, 400, 160, window=self.hann, return_complex=True)[..., :-1]
        power = spectrum.real ** 2 + spectrum.imag ** 2
        if train:
            power = self.line(power)
        mel = (self.filters @ power).clamp(min=1e-10).log10()
        floor = mel.amax((1, 2), keepdim=True) - 8
        if train:  # whisper.cpp takes the maximum over the whole recording, which may hold something louder
            floor = floor + torch.empty_like(floor).uniform_(0, 1.2) * (torch.rand_like(floor) < 0.4)
        return (torch.maximum(mel, floor) + 4) / 4


def batch(made, rng, model, corpus, share):
    """Tensors of the windows: sound, decoder input rows, target rows (-1: none), phonemes and words of the frames (-1: none),
    and for each target the first and the last frame where it is heard (-1: nowhere)."""
    inputs, targets, spans = [], [], []
    for window in made:
        tokens = window.tokens or [BEGIN]
        before = []
        if share > 0.55 and rng.random() < 0.4:  # whisper.cpp gives the text so far, with its times, or a vocabulary before the window
            before, at = [PREV], BEGIN + rng.randrange(600) if rng.random() < 0.7 else 0
            for said in rng.choices(corpus.said, k=rng.choice((1, 2, 3, 4, 6))):
                end = at + len(said[0]) // FRAME
                before += [min(at, BEGIN + STAMPS - 1), *said[1], min(end, BEGIN + STAMPS - 1)] if at else said[1]
                at = at and end + rng.randrange(5, 40)
        heard = [SOT if i == 0 else t for i, t in enumerate([SOT] + tokens)]
        if rng.random() < 0.3:  # timestamps as wrong as one's own may be
            heard = [min(BEGIN + 1500, max(BEGIN, t + rng.randrange(-8, 9))) if t >= BEGIN else t for t in heard]
            if len(heard) > 1 and heard[1] > BEGIN + 50:
                heard[1] = BEGIN + rng.randrange(51)
        wanted = tokens + [EOT]
        if not window.tokens:
            wanted[0] = NOSPEECH
        inputs.append(before + heard)
        spans.append([(-1, -1)] * len(before) + [(max(0, a // FRAME - 2), b // FRAME + 2) for a, b in window.spans])
        targets.append([-1] * len(before) + wanted)
    longest = max(map(len, inputs))
    row = model.decoder.row
    rows = torch.tensor([tokens + [EOT] * (longest - len(tokens)) for tokens in inputs])
    wanted = torch.tensor([tokens + [-1] * (longest - len(tokens)) for tokens in targets])
    wanted = torch.where(wanted < 0, -1, row.cpu()[wanted.clamp(min=0)])
    spans = torch.tensor([line + [(-1, -1)] * (longest - len(line)) for line in spans])
    most = max(len(w.sound) for w in made) // FRAME * FRAME
    sound = torch.from_numpy(np.stack([np.pad(w.sound[:most], (0, max(0, most - len(w.sound)))) for w in made]))
    phonemes = np.stack([np.pad(w.phonemes[:most // FRAME], (0, max(0, most // FRAME - len(w.phonemes)))) for w in made])
    words = np.stack([np.pad(w.words[:most // FRAME], (0, max(0, most // FRAME - len(w.words))), constant_values=-1) for w in made])
    return sound, row.cpu()[rows], wanted, torch.from_numpy(phonemes), torch.from_numpy(words), spans


def guide_loss(listens, spans):
    """How much of the first head's attention misses the stretch where the next token is spoken."""
    there = spans[..., 1] >= 0
    frames = torch.arange(listens[0].shape[-1], device=spans.device)
    spans = spans[there]
    inside = (frames >= spans[:, :1].clamp(max=len(frames) - 1)) & (frames <= spans[:, 1:])
    return -sum(each[there].masked_fill(~inside, -60).logsumexp(-1).mean() for each in listens) / len(listens)


def decoder_loss(says, wanted, first_stamp):
    """Cross-entropy in two parts: of the token, where all timestamps are one, and of which timestamp it is. The latter's
    target is spread over its neighbours."""
    there = wanted >= 0
    says, wanted = says[there], wanted[there]
    stamp = wanted >= first_stamp
    any_stamp = says[stamp][:, first_stamp:].logsumexp(-1)
    text = -(says[~stamp].gather(1, wanted[~stamp][:, None]).sum() + any_stamp.sum()) / len(wanted)
    near = torch.arange(-4, 5, device=wanted.device)
    weight = torch.exp(-0.5 * (near / 1.5) ** 2)
    places = (wanted[stamp][:, None] + near).clamp(first_stamp, says.shape[1] - 1)
    clock = any_stamp.mean() - (says[stamp].gather(1, places) * weight / weight.sum()).sum(1).mean()
    return text, clock


@torch.no_grad()
def transcribe(model, ear, tokens, sounds, limit=48):
    """Greedy text of each sound: what whisper.cpp would write, without its rules for timestamps."""
    most = (max(map(len, sounds)) // FRAME + 25) * FRAME
    sound = torch.from_numpy(np.stack([np.pad(s, (0, most - len(s))) for s in sounds])).to(ear.hann.device)
    heard = model.encoder(ear(sound, False))
    number = torch.cat([torch.tensor(model.decoder.used), torch.arange(BEGIN, BEGIN + 1501)])
    rows = model.decoder.row[torch.tensor([[SOT, BEGIN]] * len(sounds))]
    done = torch.zeros(len(sounds), dtype=torch.bool)
    for _ in range(limit):
        row = model.decoder(rows, heard)[:, -1].argmax(-1)
        rows = torch.cat([rows, row[:, None]], 1)
        done |= number[row.cpu()] == EOT
        if done.all():
            break
    texts = []
    for line in number[rows.cpu()].tolist():
        line = line[1:]
        texts.append(tokens.decode(line[:line.index(EOT)] if EOT in line else line))
    return texts


def distance(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
    return row[-1]


def measure(model, ear, tokens, said):
    """Word error rate on [(float32 sound, text)]."""
    wrong = words = 0
    for at in range(0, len(said), 24):
        part = said[at:at + 24]
        for text, (_, true) in zip(transcribe(model, ear, tokens, [s for s, _ in part]), part):
            true = plain(true).split()
            wrong, words = wrong + distance(true, plain(text).split()), words + len(true)
    return wrong / max(1, words)


def used_tokens(tokens, grammar):
    """Every token in which a word of the grammar can come: as it is, capitalised, before punctuation."""
    words = {variant for word in grammar.vocabulary for variant in (word, word.capitalize())}
    found = {t for word in words for t in tokens.encode(word)}
    rng = random.Random(0)
    found |= {t for _ in range(60000) for t in tokens.encode(grammar.sentence(rng) if rng.random() < 0.8 else grammar.words(rng))}
    return sorted(found | {t for mark in '.,?!' for t in [tokens.number[mark.encode()]]} | {EOT, SOT, PREV, NOSPEECH})


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--data', type=Path, required=True)
    parser.add_argument('--out', type=Path, required=True)
    parser.add_argument('--ggml', type=Path, required=True, help='file with the vocabulary and the mel filters')
    parser.add_argument('--minutes', type=float, default=90)
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--width', type=int, default=192)
    parser.add_argument('--layers', type=int, default=4)
    parser.add_argument('--seconds', type=float, default=48, help='of sound in a batch; more in the last stage')
    parser.add_argument('--rate', type=float, default=1.5e-3)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--check', type=Path, help='npz of held-out speech to measure on')
    parser.add_argument('--pause-file', type=Path, help='wait while this file exists')
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(given.seed)
    rng, device = random.Random(given.seed), torch.device(given.device)
    tokens = Tokens(given.ggml)
    corpus = Corpus(given.data, tokens)
    check = []
    if given.check:
        with np.load(given.check) as file:
            sounds, lines = file['sound'].astype(np.float32) / 32768, json.loads(str(file['said']))
        check = [(s, line[1]) for s, line in zip(np.split(sounds, np.cumsum([line[0] for line in lines])[:-1]), lines)]

    last = given.out / 'last.pt'
    kept = torch.load(last, map_location='cpu', weights_only=False) if last.exists() else None
    used = kept['used'] if kept else used_tokens(tokens, Grammar())
    model = Model(given.width, given.layers, 3, used, 160).to(device)  # two decoder layers would be distil-whisper to whisper.cpp, without timestamps
    inner = [p for name, p in model.named_parameters() if p.ndim > 1 and ('blocks' in name or 'conv' in name)]
    outer = [p for p in model.parameters() if all(p is not q for q in inner)]
    optimizers = Muon(inner, given.rate), torch.optim.AdamW(outer, given.rate, betas=(0.9, 0.98), weight_decay=0.01)
    ear, step, spent, heard, curve = Ear(tokens.filters).to(device), 0, 0.0, 0.0, []
    if kept:
        model.load_state_dict(kept['model'])
        for optimizer, state in zip(optimizers, kept['optimizers']):
            optimizer.load_state_dict(state)
        step, spent, heard, curve, corpus.phonemes = (kept[k] for k in ('step', 'spent', 'heard', 'curve', 'phonemes'))
        rng.seed(given.seed + step)
    corpus.row = {token: row for row, token in enumerate(used)}
    corpus.look()
    mean = copy.deepcopy(model)
    if kept:
        mean.load_state_dict(kept['mean'])
    print(f'{sum(p.numel() for p in model.parameters())} parameters, {len(used)} tokens, {corpus.seconds / 3600:.1f} h', flush=True)

    def save():
        torch.save({'model': model.state_dict(), 'mean': mean.state_dict(), 'optimizers': [o.state_dict() for o in optimizers], 'used': used,
                    'step': step, 'spent': spent, 'heard': heard, 'curve': curve, 'phonemes': corpus.phonemes,
                    'width': given.width, 'layers': given.layers, 'hours': corpus.seconds / 3600}, given.out / 'last.part')
        (given.out / 'last.part').rename(last)

    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
    begun, sums, looked, saved = time.time() - spent, [], time.time(), time.time()
    while (share := (time.time() - begun) / 60 / given.minutes) < 1 and not stopped:
        while given.pause_file and given.pause_file.exists():
            time.sleep(1)
        made, offset = windows(corpus, rng, share, given.seconds * (1 if share < 0.85 else 1.2))
        sound, rows, wanted, phonemes, words, spans = (x.to(device) for x in batch(made, rng, model, corpus, share))
        for group in (group for optimizer in optimizers for group in optimizer.param_groups):
            group['lr'] = given.rate * min(1, (step + 1) / 250) * max(0.01, min(1, (1 - share) / 0.55))
        encoded = model.encoder(ear(sound, True), offset)
        listening = F.cross_entropy(model.phonemes(encoded).flatten(0, 1), phonemes.flatten(), ignore_index=-1)
        some = torch.nonzero(words.flatten() >= 0)[:, 0]
        some = some[torch.randperm(len(some), device=device)[:400]]
        word = F.cross_entropy(model.word(encoded.flatten(0, 1)[some]), words.flatten()[some]) if len(some) else torch.zeros(())
        listens = []
        first = rng.randrange(150) if share > 0.55 and rng.random() < 0.3 else 0  # as after a long text so far
        text, clock = decoder_loss(model.decoder(rows, encoded, listens, first), wanted, len(used))
        guide = guide_loss(listens, spans)
        loss = text + 0.15 * clock + (1.0 if share < 0.25 else 0.5) * listening + (1.0 if share < 0.8 else 0.5) * word + 0.5 * guide
        model.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
        step, heard, spent = step + 1, heard + sound.numel() / RATE, time.time() - begun
        with torch.no_grad():
            for average, now in zip(mean.parameters(), model.parameters()):
                average.lerp_(now, max(0.002, 1 / step) if step > 400 else 1.0)
        sums.append((text.item(), clock.item(), listening.item(), word.item(), guide.item()))
        if step % 50 == 0:
            a, b, c, w, d = np.mean(sums, 0)
            sums, line = [], f'{time.strftime("%H:%M:%S")} step {step} share {share:.3f} heard {heard / 3600:.2f} h of {corpus.seconds / 3600:.1f} text {a:.3f} time {b:.2f} phonemes {c:.3f} words {w:.3f} guide {d:.3f}'
            if time.time() - looked > 1000:
                corpus.look()
                looked = time.time()
                error = measure(mean, ear, tokens, check) if check else float('nan')
                line += f' WER {error:.3f}'
                curve.append((step, round(heard / 3600, 2), round(a, 3), round(b, 3), round(c, 3), round(error, 4)))
            print(line, flush=True)
        if time.time() - saved > 150:
            save()
            saved = time.time()
    save()


if __name__ == '__main__':
    main()
