"""Quantised layers: networks in fixed-point numbers, trained by gradient (arXiv:2405.00645).

The interface for tracing firmware. A quantised model works on the normalised inputs of the network:

* `model.input_formats() -> {tensor: (k, i, f)}`: integer arrays in the shape of one event, the
  format of each input; `model.quantise_inputs({tensor: …}) -> {tensor: …}` rounds half up and
  clips to it. Together with the normalisation this is preprocessing outside of the circuit, and
  −k·2ⁱ … 2ⁱ − 2⁻ᶠ is the declared range of the input.
* `model.exact({tensor: array}, arithmetic) -> array`: the outputs for quantised inputs, in this
  order of operations. Arrays are NumPy's, (events, …) in double precision, with
  `arithmetic=bunchtrain.networks.layers.quantised.arithmetic`, or alkaid's `FVArray` of one event,
  with `arithmetic=alkaid.trace.ops`:

      ports = {name: quantize(FVArrayInput(shape), k, i, f) for each input}
      outputs = model.exact(ports, alkaid.trace.ops)

  Quantisers of the model that equal those of the ports cost nothing in alkaid.
* `QuantisedLinear.constants()`: exact weights (output, input) and biases in double precision;
  `QuantisedLinear.output.kif`: the format of its outputs, None for exact sums.

A layer computes Q(max(W x + b, 0)); its sums are exact, and Q rounds half up (alkaid's RND) and
then applies the `overflow` mode (WRAP, SAT, SAT_SYM, as alkaid). `exact` adds half a step of Q to b
and rounds down (TRN), which is equal. Outputs of the model are exact sums. In single precision
`forward` gives the same values as long as no sum needs more than 24 bits; `bit_operations` is the
estimate of resources, EBOPs.
"""
