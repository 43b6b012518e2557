"""Firmware of networks: traced exactly, written as Verilog and VHDL, simulated, synthesised."""
