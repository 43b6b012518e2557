"""The network on given edges: edges, their order and their direction."""

import torch
from small_models import inputs, small


def test_edges_in_any_order_give_the_same_and_other_edges_do_not():
    model = small("graph_network")
    given = inputs(model, [4, 1, 5])
    order = torch.randperm(given["edges"].shape[1], generator=torch.Generator().manual_seed(1))
    moved = given | {k: given[k][..., order] for k in ("edges",)}
    moved["edge_features"] = given["edge_features"][order]
    with torch.no_grad():
        found = model(**given)
        torch.testing.assert_close(model(**moved), found, rtol=1e-5, atol=1e-6)
        assert not torch.allclose(model(**given | {"edges": given["edges"].flip(0)}), found)
        fewer = {k: v[..., 1:] if k == "edges" else v for k, v in given.items()}
        fewer["edge_features"] = given["edge_features"][1:]
        changed = model(**fewer)
    assert not torch.allclose(changed[0], found[0])
    assert torch.allclose(changed[1:], found[1:])
