"""The network, as whisper.cpp computes it, with small heads for phonemes and words that only training uses."""
import math

import torch
import torch.nn.functional as F
from torch import nn

VOCABULARY = 51864
EOT, SOT, PREV, NOSPEECH, BEGIN = 50256, 50257, 50360, 50361, 50363  # BEGIN is the timestamp 0.00 s
STAMPS = VOCABULARY - BEGIN  # 0.00 s to 30.00 s by 20 ms
NEARBY = (-3, 0, 3), (-6, 6), (-12, 12), (-5, 5)  # frames, of the heads of each layer of the encoder; further heads are free
AUDIO_CTX, TEXT_CTX, MELS, HEAD = 1500, 448, 80, 64


def sinusoids(length, width):
    rates = torch.exp(-math.log(10000) / (width // 2 - 1) * torch.arange(width // 2))
    angles = torch.arange(length)[:, None] * rates[None]
    return torch.cat([angles.sin(), angles.cos()], 1)


class Attention(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.query, self.value, self.out = (nn.Linear(width, width) for _ in range(3))
        self.key = nn.Linear(width, width, bias=False)

    def heads(self, x):
        return x.unflatten(-1, (-1, HEAD)).transpose(1, 2)

    def attention(self, x, source):
        """Log of where the first head listens: batch x tokens x frames."""
        query, key = self.heads(self.query(x))[:, 0], self.heads(self.key(source))[:, 0]
        return (query @ key.transpose(1, 2) / math.sqrt(HEAD)).log_softmax(-1)

    def forward(self, x, source=None, causal=False):
        source = x if source is None else source
        y = F.scaled_dot_product_attention(self.heads(self.query(x)), self.heads(self.key(source)),
                                           self.heads(self.value(source)), is_causal=causal)
        return self.out(y.transpose(1, 2).flatten(2))


class Block(nn.Module):
    def __init__(self, width, cross):
        super().__init__()
        self.attn, self.attn_ln = Attention(width), nn.LayerNorm(width)
        if cross:
            self.cross_attn, self.cross_attn_ln = Attention(width), nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU('tanh'), nn.Linear(4 * width, width))
        self.mlp_ln = nn.LayerNorm(width)

    def forward(self, x, source=None, listens=None):
        x = x + self.attn(self.attn_ln(x), causal=source is not None)
        if source is not None:
            y = self.cross_attn_ln(x)
            if listens is not None:
                listens.append(self.cross_attn.attention(y, source))
            x = x + self.cross_attn(y, source)
        return x + self.mlp(self.mlp_ln(x))


class Encoder(nn.Module):
    def __init__(self, width, layers):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv1d(MELS, width, 3, padding=1), nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.register_buffer('positional_embedding', sinusoids(AUDIO_CTX, width))
        self.blocks, self.ln_post = nn.ModuleList(Block(width, False) for _ in range(layers)), nn.LayerNorm(width)
        self.listen_nearby()

    @torch.no_grad()
    def listen_nearby(self):
        """Begins with heads that listen some frames before or after their own, as a convolution does: to find that out
        by itself takes the encoder longer than all the rest. With q(t) = the sines of t + d and k(s) = those of s,
        q·k is the sum of cos(w(t + d - s)) and has its peak at s = t + d. The channels of the quicker sines are kept
        free of sound at first."""
        half, pairs = len(self.positional_embedding[0]) // 2, HEAD // 2
        free = torch.cat([torch.arange(pairs), half + torch.arange(pairs)])
        self.conv2.weight[free], self.conv2.bias[free] = 0, 0
        rates = torch.exp(-math.log(10000) / (half - 1) * torch.arange(pairs))
        for block, distances, slowest in zip(self.blocks, NEARBY, (0, 5, 8, 5)):
            for layer in (block.attn.out, block.mlp[2]):
                layer.weight[free], layer.bias[free] = 0, 0
            for head, distance in enumerate(distances):
                rows = slice(head * HEAD, (head + 1) * HEAD)
                gain = torch.zeros(pairs)
                gain[slowest:] = math.sqrt(8 * math.sqrt(HEAD) / (pairs - slowest))
                turn = rates * distance
                sine, cosine = torch.arange(pairs), half + torch.arange(pairs)
                query, key = (torch.randn(HEAD, 2 * half) * 0.02 for _ in range(2))
                here = torch.arange(pairs)
                query[here, sine], query[here, cosine] = gain * turn.cos(), gain * turn.sin()
                query[pairs + here, cosine], query[pairs + here, sine] = gain * turn.cos(), -gain * turn.sin()
                key[here, sine] = key[pairs + here, cosine] = gain
                block.attn.query.weight[rows], block.attn.query.bias[rows], block.attn.key.weight[rows] = query, 0, key

    def forward(self, mel, offset=0):
        """mel: batch x 80 x 2T. The T frames are taken as those from `offset` of the 30 s window."""
        x = F.gelu(self.conv1(mel), approximate='tanh')
        x = F.gelu(self.conv2(x), approximate='tanh').transpose(1, 2)
        x = x + self.positional_embedding[offset:offset + x.shape[1]]
        for block in self.blocks:
            x = block(x)
        return self.ln_post(x)


class Decoder(nn.Module):
    """Of the 51,864 tokens only the `used` ones have embeddings; the timestamps' are a map of their sinusoids, so that
    each of the 1,501 is learnt from all. All others are zero, as they will be in the file: their logits are 0."""

    def __init__(self, width, layers, used):
        super().__init__()
        self.used = used  # text and special tokens, sorted; the timestamps follow them
        row = torch.full((VOCABULARY,), -1)
        row[torch.tensor(used)] = torch.arange(len(used))
        row[BEGIN:] = len(used) + torch.arange(STAMPS)
        self.register_buffer('row', row, persistent=False)
        self.register_buffer('clock', sinusoids(STAMPS, width), persistent=False)
        self.others = math.log(VOCABULARY - STAMPS - len(used))
        self.tokens = nn.Parameter(torch.randn(len(used), width) * 0.02 + 0.5 / math.sqrt(width))
        self.stamps = nn.Parameter(torch.randn(width, width) * 0.1)
        self.stamp = nn.Parameter(torch.full((width,), 0.5 / math.sqrt(width)))
        self.positional_embedding = nn.Parameter(torch.randn(TEXT_CTX, width) * 0.01)
        self.blocks, self.ln = nn.ModuleList(Block(width, True) for _ in range(layers)), nn.LayerNorm(width)
        nn.init.constant_(self.ln.bias, 24 / math.sqrt(width))  # used tokens start 12 above the unused ones' 0

    def embeddings(self):
        return torch.cat([self.tokens, self.clock @ self.stamps * 0.03 + self.stamp])

    def forward(self, rows, source, listens=None, first=0):
        """rows: batch x n row numbers (self.row of the tokens). Gives log probabilities over the rows; a list `listens`
        gets Attention.attention of each layer; `first` is the place of the first token."""
        table = self.embeddings()
        x = F.embedding(rows, table) + self.positional_embedding[first:first + rows.shape[1]]
        for block in self.blocks:
            x = block(x, source, listens)
        logits = self.ln(x) @ table.T
        rest = torch.full_like(logits[..., :1], self.others)  # all the unused tokens together
        return logits - torch.logsumexp(torch.cat([logits, rest], -1), -1, keepdim=True)


class Model(nn.Module):
    def __init__(self, width, encoder_layers, decoder_layers, used, phonemes):
        super().__init__()
        self.encoder = Encoder(width, encoder_layers)
        self.decoder = Decoder(width, decoder_layers, used)
        self.phonemes = nn.Linear(width, phonemes)
        self.words = nn.Linear(width, width)
        nn.init.eye_(self.words.weight)

    def word(self, encoded):
        """The logits of the text tokens at frames of the encoder (n x width): the word that is being spoken."""
        return self.words(encoded) @ self.decoder.tokens.T
