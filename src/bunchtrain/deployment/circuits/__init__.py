"""Networks as circuits: traced exactly, written as Verilog and VHDL, simulated, synthesised."""
