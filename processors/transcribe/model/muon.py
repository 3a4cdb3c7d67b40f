"""Muon (K. Jordan, 2024): momentum whose matrices are made orthogonal, for all matrices within the layers."""
import torch


class Muon(torch.optim.Optimizer):
    def __init__(self, parameters, lr, momentum=0.95, decay=0.01):
        super().__init__(parameters, {'lr': lr, 'momentum': momentum, 'decay': decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            shapes = {}
            for p in group['params']:
                if p.grad is not None:
                    mean = self.state[p].setdefault('mean', torch.zeros_like(p))
                    mean.mul_(group['momentum']).add_(p.grad)
                    shapes.setdefault((len(p), p[0].numel()), []).append((p, p.grad.add(mean, alpha=group['momentum'])))
            for (rows, columns), found in shapes.items():  # those of one shape go through the multiplications together
                change = orthogonal(torch.stack([g.reshape(rows, columns) for _, g in found]))
                size = 0.2 * max(rows, columns) ** 0.5  # as large as AdamW's steps are
                for (p, _), c in zip(found, change):
                    p.mul_(1 - group['lr'] * group['decay']).add_(c.view_as(p), alpha=-group['lr'] * size)


def orthogonal(x, steps=3):
    """The nearest orthogonal matrices, roughly: Newton-Schulz on a batch of matrices."""
    tall = x.shape[1] > x.shape[2]
    x = x.transpose(1, 2) if tall else x
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        a = x @ x.transpose(1, 2)
        x = 3.4445 * x + torch.baddbmm(a, a, a, beta=-4.7750, alpha=2.0315) @ x
    return x.transpose(1, 2) if tall else x
