"""Quantised layers: networks in fixed-point numbers, trained by gradient (arXiv:2405.00645).

What a circuit is made from. A quantised model computes, on the inputs that the network's
normalisation gives, with these tools alone, and tells them to a tracer of circuits:

* `model.input_formats() -> {tensor: (k, i, f)}`: integer arrays in the shape of one event, the
  format of each input; `model.quantise_inputs({tensor: …}) -> {tensor: …}` rounds half up and
  clips to it. This is done before the circuit: with the normalisation it is the preprocessing,
  and the range −k·2ⁱ … 2ⁱ − 2⁻ᶠ is the declared range of the input.
* `model.exact({tensor: array}, arithmetic) -> array`: the outputs of quantised inputs, in this
  order of operations. Arrays are of NumPy, (events, …) in double precision, with
  `arithmetic=bunchtrain.networks.layers.quantised.arithmetic`, or one event of alkaid's `FVArray`,
  with `arithmetic=alkaid.trace.ops`:

      ports = {name: quantize(FVArrayInput(shape), k, i, f) for each input}
      outputs = model.exact(ports, alkaid.trace.ops)

  Equal quantisers of the ports and of the model are passed through by alkaid at no cost.
* `QuantisedLinear.constants()`: weights (output, input) and biases as exact numbers in double
  precision; `QuantisedLinear.output.kif`: the format of its outputs, None for exact sums.

A layer computes Q(max(W x + b, 0)); its sums are exact, and Q rounds half up (alkaid's RND) and
then does what `overflow` says (WRAP, SAT, SAT_SYM, as alkaid's). `exact` adds half a step of Q to b
and rounds down (TRN), which gives the same. Outputs of the model are exact sums. In single
precision `forward` gives the same numbers as long as no sum needs more than 24 bits;
`bit_operations` is the estimate of resources, EBOPs.
"""
