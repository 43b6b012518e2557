"""Peers of LorentzNet, PELICAN and L-GATr: the same sizes, inputs and, for a comparison, weights.

Packages differ from the papers in details, which are replaced for the comparison of outputs only:
`pelican-lite` normalises by RMSNorm, has no exponents of the multiplicity, divides the trace by n²
and maps one input channel; `lgatr` normalises queries, keys, values and products once more, takes
the larger of norm and ε instead of their sum, approximates GELU and maps pseudoscalars and scalars
to one another.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from bunchtrain.networks.l_gatr import LGATr
from bunchtrain.networks.layers.multivectors import DUAL, GRADES, vectors
from bunchtrain.networks.lorentz_net import LorentzNet, signed_log
from bunchtrain.networks.pelican import Pelican

MISSING = "{0} is not installed; run: pip install --no-deps {0}=={1}"


def padded_of(momenta: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Return momenta (jets, slots, 4) and the mask of slots with a particle."""
    mask = torch.arange(int(lengths.max())) < lengths[:, None]
    padded = momenta.new_zeros(*mask.shape, 4)
    padded[mask] = momenta
    return padded, mask


class Pair(ABC):
    """Our network and its peer.

    compared         least and largest number of particles of jets whose outputs are compared.
    same_parameters  whether both have the same parameters, in the same order.
    """

    name: str
    ours: nn.Module
    theirs: nn.Module
    compared = (20, 80)
    same_parameters = False

    @abstractmethod
    def inputs(self, momenta: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
        """Return the peer's tensors."""

    @abstractmethod
    def same_function(self) -> nn.Module:
        """Return the peer with the details replaced in which it differs from the paper."""

    @abstractmethod
    def share_weights(self, theirs: nn.Module) -> None:
        """Give both the same weights."""


def dense_minkowski(one: Tensor, other: Tensor) -> Tensor:
    return one[..., 0] * other[..., 0] - (one[..., 1:] * other[..., 1:]).sum(-1)


class DenseBlock(nn.Module):
    """A block of LorentzNet on all pairs of slots, with the parameters of ours."""

    def __init__(self, width: int, move: bool) -> None:
        super().__init__()
        self.pair = nn.Linear(2 * width + 2, width, bias=False)
        self.pair_norm, self.gather_norm = nn.BatchNorm1d(width), nn.BatchNorm1d(width)
        self.message, self.attention = nn.Linear(width, width), nn.Linear(width, 1)
        self.move = None
        if move:
            last = nn.Linear(width, 1, bias=False)
            self.move = nn.Sequential(nn.Linear(width, width), nn.ReLU(), last)
        self.gather, self.update = nn.Linear(2 * width + 1, width), nn.Linear(width, width)

    def forward(
        self, h: Tensor, x: Tensor, scalars: Tensor, mask: Tensor, pairs: Tensor
    ) -> tuple[Tensor, Tensor]:
        jets, slots, width = h.shape
        one, other = x[:, :, None].expand(-1, -1, slots, -1), x[:, None].expand(-1, slots, -1, -1)
        squared = dense_minkowski(one - other, one - other)
        products = signed_log(torch.stack([squared, dense_minkowski(one, other)], -1))
        first = h[:, :, None].expand(-1, -1, slots, -1)
        second = h[:, None].expand(-1, slots, -1, -1)
        hidden = self.pair(torch.cat([first, second, products], -1)[pairs])
        message = functional.relu(self.message(functional.relu(self.pair_norm(hidden))))
        table = h.new_zeros(jets, slots, slots, width)
        table[pairs] = torch.sigmoid(self.attention(message)) * message
        received = table.sum(2)
        if self.move is not None:
            factor = h.new_zeros(jets, slots, slots)
            factor[pairs] = self.move(message)[:, 0]
            x = x + 5e-3 * factor @ x
        gathered = self.gather(torch.cat([h, received, scalars], -1)[mask])
        update = self.update(functional.relu(self.gather_norm(gathered)))
        return h + h.new_zeros(h.shape).masked_scatter(mask[..., None], update), x


class DenseLorentzNet(nn.Module):
    """The equations of LorentzNet (arXiv:2201.08187) in padded tensors."""

    def __init__(self, width: int, blocks: int, outputs: int) -> None:
        super().__init__()
        self.embed = nn.Linear(1, width)
        self.blocks = nn.ModuleList(DenseBlock(width, i < blocks - 1) for i in range(blocks))
        self.head = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.Dropout(0.2), nn.Linear(width, outputs)
        )

    def forward(self, momenta: Tensor, mask: Tensor) -> Tensor:
        real = mask[..., None].to(momenta.dtype)
        itself = torch.eye(mask.shape[1], dtype=torch.bool)
        pairs = mask[:, :, None] & mask[:, None] & ~itself
        scalars = signed_log(dense_minkowski(momenta, momenta))[..., None]
        h, x = self.embed(scalars) * real, momenta
        for block in self.blocks:
            h, x = block(h, x, scalars, mask, pairs)
        return self.head(h.sum(1) / real.sum(1))


class LorentzNets(Pair):
    name = "padded"
    same_parameters = True

    def __init__(self) -> None:
        self.ours = LorentzNet(4, 2)
        self.theirs = self.same_function()

    def inputs(self, momenta: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
        return padded_of(momenta, lengths)

    def same_function(self) -> nn.Module:
        return DenseLorentzNet(72, 6, 2)

    def share_weights(self, theirs: nn.Module) -> None:
        theirs.load_state_dict(self.ours.state_dict())


#: Our map a of arXiv:2211.00454 → its place among the package's.
MAPS = (0, 1, 9, 7, 3, 10, 8, 4, 6, 5, 2, 13, 11, 14, 12)


class PelicanPackage(nn.Module):
    """`pelican-lite` on packed momenta, with the edges of a batch made by its own functions."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, momenta: Tensor, lengths: Tensor) -> Tensor:
        from pelican.utils import get_edge_attr

        edges, batch = self.edges(momenta, lengths)
        attributes = get_edge_attr(momenta, edges)[:, None]
        return self.network(edges, batch, in_rank2=attributes, num_graphs=len(lengths))

    def edges(self, momenta: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        from pelican.utils import get_batch_from_ptr, get_edge_index_from_ptr

        ends = functional.pad(lengths.cumsum(0), (1, 0))
        edges = get_edge_index_from_ptr(ends, momenta.shape, remove_self_loops=False)
        return edges, get_batch_from_ptr(ends)


class PelicanOfThePaper(PelicanPackage):
    """The package's blocks with our input, normalisation and head."""

    def __init__(self, network: nn.Module, ours: Pelican) -> None:
        super().__init__(network)
        width = ours.last.linear.out_features
        self.last = nn.Sequential(
            nn.Linear(ours.last.linear.in_features, width), nn.LeakyReLU(), nn.BatchNorm1d(width)
        )
        for block in network.blocks:
            block.mlp[2] = nn.BatchNorm1d(width)
        self.power, self.head = ours.power, ours.head

    def forward(self, momenta: Tensor, lengths: Tensor) -> Tensor:
        from pelican.primitives import aggregate_2to0

        edges, batch = self.edges(momenta, lengths)
        product = dense_minkowski(momenta[edges[0]], momenta[edges[1]])
        encoded = ((1 + product.abs())[:, None] ** self.power - 1) / self.power
        values = product.sign()[:, None] * encoded
        for block in self.network.blocks:
            values = block(values, edges, batch)
        means = aggregate_2to0(self.last(values), edges, batch, G=len(lengths))
        return self.head(torch.cat([means[..., 0], means[..., 1] * lengths[:, None]], 1))


class Pelicans(Pair):
    name = "pelican-lite"
    compared = (40, 40)  # the package's mean of the trace has another power of n

    def __init__(self) -> None:
        self.ours = Pelican(4, 2)
        self.theirs = PelicanPackage(self.package(factorize=True))

    def package(self, factorize: bool) -> nn.Module:
        try:
            from pelican import PELICAN
        except ImportError:
            raise SystemExit(MISSING.format("pelican-lite", "1.1.4")) from None
        sizes = {"hidden_channels": 60, "increase_hidden_channels": 35.01 / 60, "num_blocks": 5}
        return PELICAN(1, 0, 0, 0, 2, **sizes, factorize=factorize, dropout_prob=0.025)

    def inputs(self, momenta: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
        return momenta, lengths

    def same_function(self) -> nn.Module:
        return PelicanOfThePaper(self.package(factorize=False), self.ours)

    def share_weights(self, theirs: nn.Module) -> None:
        ours, particles = self.ours, self.compared[0]
        ours.count.exponent.zero_()
        for here, there in zip(ours.blocks, theirs.network.blocks, strict=True):
            here.bias.zero_(), here.count.exponent.zero_()
            there.mlp[0].load_state_dict(here.messages.linear.state_dict())
            there.mlp[2].load_state_dict(here.messages.norm.state_dict())
            weight = here.before * here.mixing[0] + here.after * here.mixing[1]  # (15, out, in)
            weight[[12, 14]] *= particles
            place = torch.tensor(MAPS).argsort()
            target = there.aggregator.coeffs_direct
            target.copy_(weight[place].permute(1, 2, 0).reshape(target.shape))
            there.aggregator.map_multipliers.fill_(1)
        theirs.last[0].load_state_dict(ours.last.linear.state_dict())
        theirs.last[2].load_state_dict(ours.last.norm.state_dict())


class LGATrPackage(nn.Module):
    """`lgatr` on padded tokens, its output the scalars of the first token."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, multivectors: Tensor, scalars: Tensor, bias: Tensor) -> Tensor:
        _, outputs = self.network(multivectors, scalars=scalars, attn_mask=bias)
        return outputs[:, 0]


class SumNorm(nn.Module):
    """Multivectors over √(norm + ε), scalars with a layer normalisation."""

    def forward(self, multivectors: Tensor, scalars: Tensor) -> tuple[Tensor, Tensor]:
        from lgatr.primitives.invariants import abs_squared_norm

        size = abs_squared_norm(multivectors).mean(-2, keepdim=True)
        normed = functional.layer_norm(scalars, scalars.shape[-1:])
        return multivectors * (size + 0.01).rsqrt(), normed


class NoNorm(nn.Module):
    def forward(self, multivectors: Tensor, scalars: Tensor) -> tuple[Tensor, Tensor]:
        return multivectors, scalars


class NormAndLinear(nn.Module):
    """The last layer with the normalisation of its inputs."""

    def __init__(self, last: nn.Module) -> None:
        super().__init__()
        self.norm, self.last = SumNorm(), last

    def forward(self, multivectors: Tensor, scalars: Tensor) -> tuple[Tensor, Tensor]:
        normed, scalars = self.norm(multivectors, scalars)
        return self.last(normed, scalars=scalars)


class LGATrs(Pair):
    name = "lgatr"
    width, heads, widen = (8, 16), 4, 2

    def __init__(self) -> None:
        self.ours = LGATr(4, 2)
        self.theirs = LGATrPackage(self.package())

    def package(self) -> nn.Module:
        try:
            from lgatr import LGATr as Package
        except ImportError:
            raise SystemExit(MISSING.format("lgatr", "2.0.0")) from None
        attention = {"num_heads": self.heads, "attn_ratio": self.widen}
        channels = {"in_s_channels": 4, "out_s_channels": 2, "hidden_s_channels": self.width[1]}
        mlp = {"mlp_ratio": self.widen}
        return Package(4, 1, 1, self.width[0], attention=attention, mlp=mlp, **channels)

    def inputs(self, momenta: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
        padded, mask = padded_of(momenta, lengths)
        points = vectors(padded.flatten(0, 1) / self.ours.unit).view(16, *mask.shape)
        fixed = self.ours.references.to(points.dtype)[:, None, :, 0].expand(-1, len(mask), -1)
        tokens, count = torch.cat([fixed, points], 2), fixed.shape[2]  # (16, jets, slots)
        kinds = torch.eye(count + 1, dtype=points.dtype)
        kind = torch.cat([kinds[:count], kinds[count:].expand(mask.shape[1], -1)])
        seen = functional.pad(mask, (count, 0), value=True)[:, None, None]
        bias = points.new_zeros(seen.shape).masked_fill(~seen, -torch.inf)
        shape = bias.expand(-1, 1, tokens.shape[2], -1)
        return tokens.permute(1, 2, 0)[:, :, None], kind.expand(len(mask), -1, -1), shape

    def same_function(self) -> nn.Module:
        made = LGATrPackage(self.package())
        for block in made.network.blocks:
            block.norm1, block.norm2 = SumNorm(), SumNorm()
            block.attention.qkv_module.norm_qkv = NoNorm()
            block.mlp.layers[0].norm = NoNorm()
            block.mlp.layers[1].nonlinearity = functional.gelu
        made.network.linear_out = NormAndLinear(made.network.linear_out)
        return made

    def share_weights(self, theirs: nn.Module) -> None:
        network, ours = theirs.network, self.ours
        for layer in network.modules():
            if hasattr(layer, "s2mvs"):
                forget_pseudoscalars(layer)
        copy_linear(ours.embed, network.linear_in)
        for here, there in zip(ours.blocks, network.blocks, strict=True):
            copy_linear(here.attention.project, there.attention.qkv_module.in_linear, self.by_head)
            copy_linear(here.attention.out, there.attention.out_linear)
            bilinear, last = there.mlp.layers[0], there.mlp.layers[2]
            copy_products(here.perceptron, bilinear)
            copy_linear(here.perceptron.out, last)
        last = network.linear_out.last
        ours.head.weight.copy_(torch.cat([last.mvs2s.weight[:, ::2], last.s2s.weight], 1))
        ours.head.bias.copy_(last.mvs2s.bias)

    def by_head(self, rows: Tensor) -> Tensor:
        """Return rows in the order (q k v, head, channel) from (q k v, channel, head)."""
        return rows.unflatten(0, (3, -1, self.heads)).transpose(1, 2).flatten(0, 2)


def forget_pseudoscalars(layer: nn.Module) -> None:
    """Set the maps between scalars and pseudoscalars to zero, which the paper does not have."""
    if layer.s2mvs is not None:
        layer.s2mvs.weight[1::2] = 0
        if layer.s2mvs.bias is not None:
            layer.s2mvs.bias[1::2] = 0
    if layer.mvs2s is not None:
        layer.mvs2s.weight[:, 1::2] = 0


def multivector_weight(layer: nn.Module) -> Tensor:
    """Return the weights (2, grade, in, out) of x and of γ₀₁₂₃ x, by the grade of the output."""
    from lgatr.primitives.linear import _DUAL_SIGN

    weight = layer.weight.permute(2, 1, 0)  # (basis, in, out)
    signs = (_DUAL_SIGN * torch.tensor(DUAL)).to(weight.dtype)
    each = torch.stack([signs[GRADES.index(grade)] for grade in range(5)])
    return torch.stack([weight[:5], weight[5:].flip(0) * each[:, None, None]])


def copy_linear(
    here: nn.Module, there: nn.Module, order: Callable[[Tensor], Tensor] = lambda rows: rows
) -> None:
    """Copy the weights of a linear map of the package to ours; `order` sorts its outputs."""
    weight = multivector_weight(there)
    here.weight.copy_(order(weight.permute(3, 0, 1, 2)).permute(1, 2, 3, 0))
    to, of = here.to_scalar_part, there.s2mvs
    to.weight.copy_(order(of.weight[::2]))
    to.bias.copy_(order(of.bias[::2])) if of.bias is not None else to.bias.zero_()
    if there.mvs2s is not None:
        joined = torch.cat([there.mvs2s.weight[:, ::2], there.s2s.weight], 1)
        here.scalars.weight.copy_(order(joined))
        bias = there.mvs2s.bias
        here.scalars.bias.copy_(order(bias)) if bias is not None else here.scalars.bias.zero_()


def copy_products(here: nn.Module, there: nn.Module) -> None:
    """Copy both factors and the map of the products; the scalars of the factors are the input's."""
    both = [multivector_weight(one) for one in (there.linear_left, there.linear_right)]
    here.factors.weight.copy_(torch.cat(both, 3))
    maps = [one.s2mvs for one in (there.linear_left, there.linear_right)]
    here.factors.to_scalar_part.weight.copy_(torch.cat([one.weight[::2] for one in maps]))
    here.factors.to_scalar_part.bias.copy_(torch.cat([one.bias[::2] for one in maps]))
    scalars = there.linear_out.s2s.weight.shape[1]
    here.factors.scalars.weight.zero_(), here.factors.scalars.bias.zero_()
    here.factors.scalars.weight[:scalars, -scalars:].fill_diagonal_(1)
    out = there.linear_out
    here.mix.weight.copy_(multivector_weight(out))
    here.mix.to_scalar_part.weight.zero_(), here.mix.scalars.weight.zero_()
    here.mix.to_scalar_part.weight[:, :scalars] = out.s2mvs.weight[::2]
    here.mix.to_scalar_part.bias.copy_(out.s2mvs.bias[::2])
    size = out.mvs2s.weight.shape[1] // 2
    here.mix.scalars.weight[:, :size] = out.mvs2s.weight[:, ::2]
    here.mix.scalars.weight[:, size : size + scalars] = out.s2s.weight
    here.mix.scalars.bias.copy_(out.mvs2s.bias)


PEERS: dict[str, Callable[[], Pair]] = {
    "lorentz_net": LorentzNets,
    "pelican": Pelicans,
    "l_gatr": LGATrs,
}
