"""Writes a checkpoint of train.py as a ggml file that whisper.cpp loads.

    python export.py --checkpoint DIR/last.pt --out earshot-demo.en.bin [--type q5_1] [--ggml FILE-WITH-VOCABULARY]

Matrices are in the given block format, convolutions in f16, all else in f32, as whisper.cpp's own quantize tool has it.
"""
import argparse
import struct
from pathlib import Path

import numpy as np
import torch

from net import AUDIO_CTX, BEGIN, EOT, HEAD, MELS, TEXT_CTX, VOCABULARY, Model

# ggml's numbers: of the type of a tensor, and of the file's mixture (which adds 1000 × the version of the block formats).
TYPE = {'f32': 0, 'f16': 1, 'q5_0': 6, 'q5_1': 7, 'q8_0': 8}
FILE_TYPE = {'f16': 1, 'q5_0': 2008, 'q5_1': 2009, 'q8_0': 2007}


def blocks(matrix, kind):
    """The bytes of a float32 matrix in one of ggml's formats; its rows are multiples of 32 long."""
    if kind in ('f32', 'f16'):
        return matrix.astype('<f4' if kind == 'f32' else '<f2').tobytes()
    x = matrix.reshape(-1, 32).astype(np.float32)
    if kind == 'q8_0':
        scale = (np.abs(x).max(1, keepdims=True) / 127).astype('<f2')
        q = np.rint(np.divide(x, scale, out=np.zeros_like(x), where=scale > 0, dtype=np.float32)).clip(-127, 127).astype(np.int8)
        return np.concatenate([scale.view(np.uint8), q.view(np.uint8)], 1).tobytes()
    if kind == 'q5_0':
        most = np.take_along_axis(x, np.abs(x).argmax(1, keepdims=True), 1)
        scale, low = (most / -16).astype('<f2'), None
        q = np.divide(x, scale, out=np.zeros_like(x), where=scale != 0, dtype=np.float32) + 16.5
    else:
        low = x.min(1, keepdims=True).astype('<f2')
        scale = ((x.max(1, keepdims=True) - low) / 31).astype('<f2')
        q = np.divide(x - low, scale, out=np.zeros_like(x), where=scale != 0, dtype=np.float32) + 0.5
    q = q.clip(0, 31).astype(np.uint8)
    high = np.packbits(q >> 4, axis=1, bitorder='little')
    nibbles = (q[:, :16] & 15) | (q[:, 16:] & 15) << 4
    head = [scale.view(np.uint8)] + ([low.view(np.uint8)] if low is not None else [])
    return np.concatenate([*head, high, nibbles], 1).tobytes()


def rounded(matrix, kind):
    """The matrix as it will be read back from its blocks."""
    size = {'q8_0': 34, 'q5_0': 22, 'q5_1': 24}.get(kind)
    if not size:
        return matrix.astype('<f4' if kind == 'f32' else '<f2').astype(np.float32)
    raw = np.frombuffer(blocks(matrix, kind), np.uint8).reshape(-1, size)
    scale = raw[:, :2].copy().view('<f2').astype(np.float32)
    if kind == 'q8_0':
        return (raw[:, 2:].view(np.int8) * scale).reshape(matrix.shape)
    at = 4 if kind == 'q5_1' else 2
    high = np.unpackbits(raw[:, at:at + 4], axis=1, bitorder='little')
    q = np.concatenate([raw[:, at + 4:] & 15, raw[:, at + 4:] >> 4], 1) + 16.0 * high
    return (q * scale + raw[:, 2:4].copy().view('<f2') if kind == 'q5_1' else (q - 16) * scale).reshape(matrix.shape).astype(np.float32)


def tensors(model):
    """(name, float32 array) of everything that whisper.cpp reads."""
    for name, value in model.state_dict().items():
        if name.startswith(('encoder.', 'decoder.blocks', 'decoder.ln', 'decoder.positional')):
            value = value.numpy()
            yield name, value[:, None] if name in ('encoder.conv1.bias', 'encoder.conv2.bias') else value
    table = np.zeros((VOCABULARY, model.phonemes.in_features), np.float32)
    rows = model.decoder.embeddings().detach().numpy()
    table[model.decoder.used], table[BEGIN:] = rows[:len(model.decoder.used)], rows[len(model.decoder.used):]
    yield 'decoder.token_embedding.weight', table


def is_matrix(name, value):
    return value.ndim == 2 and 'positional' not in name and not name.endswith('.bias')


def load(path, weights='model'):
    kept = torch.load(path, map_location='cpu', weights_only=False)
    model = Model(kept['width'], kept['layers'], 3, kept['used'], 160)
    model.load_state_dict(kept[weights])
    return model.eval(), kept


def head(path):
    """The mel filters and the vocabulary of a ggml file, as they stand in it."""
    data, at = Path(path).read_bytes(), 48
    mels, bins = struct.unpack_from('2i', data, at)
    at += 8 + 4 * mels * bins
    count, = struct.unpack_from('i', data, at)
    at += 4
    for _ in range(count):
        at += 4 + struct.unpack_from('i', data, at)[0]
    return data[48:at]


def write(model, layers, out, kind, vocabulary):
    width = model.phonemes.in_features
    with open(out, 'wb') as file:
        file.write(struct.pack('<12i', 0x67676d6c, VOCABULARY, AUDIO_CTX, width, width // HEAD, layers, TEXT_CTX, width,
                               width // HEAD, len(model.decoder.blocks), MELS, FILE_TYPE[kind]))
        file.write(head(vocabulary))
        for name, value in tensors(model):
            type_ = kind if is_matrix(name, value) else 'f16' if value.ndim == 3 else 'f32'
            encoded = name.encode()
            file.write(struct.pack('<3i', value.ndim, len(encoded), TYPE[type_]))
            file.write(struct.pack(f'<{value.ndim}i', *reversed(value.shape)) + encoded)
            file.write(blocks(value.astype(np.float32), type_))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--checkpoint', type=Path, required=True)
    parser.add_argument('--out', type=Path, required=True)
    parser.add_argument('--type', choices=list(FILE_TYPE), default='q5_1')
    parser.add_argument('--ggml', type=Path, required=True)
    parser.add_argument('--weights', choices=('model', 'mean'), default='model', help='the last weights, or their running mean')
    given = parser.parse_args()
    model, kept = load(given.checkpoint, given.weights)
    write(model, kept['layers'], given.out, given.type, given.ggml)
    print(given.out, given.out.stat().st_size, 'bytes, step', kept['step'], 'WER in training', kept['curve'][-1][-1] if kept['curve'] else None)


if __name__ == '__main__':
    main()
