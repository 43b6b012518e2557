"""Test bench in VHDL: the same words at the same edges of the clock as in Verilog."""

from __future__ import annotations

from pathlib import Path

from bunchtrain.deployment.circuits.bench import BENCH
from bunchtrain.deployment.circuits.hardware import TOP, Hardware
from bunchtrain.files import write_text

_VHDL = """library ieee;
use ieee.std_logic_1164.all;
use ieee.numeric_std.all;
use std.textio.all;

-- Drives the words of inputs.hex, one at every edge of the clock, and writes the output after each
-- edge to outputs.hex. Counts the words that differ from expected.hex, the n-th of which is
-- due {latency} edges after the edge that reads the n-th event.
entity {bench} is end entity;

architecture simulated of {bench} is
    signal clk: std_logic := '0';
    signal model_inp: std_logic_vector({inputs} downto 0) := (others => '0');
    signal model_out: std_logic_vector({outputs} downto 0);
    signal done: boolean := false;
begin
    dut: entity work.{top} port map(clk => clk, model_inp => model_inp, model_out => model_out);

    clk <= not clk after 2.5 ns when not done;

    process
        file input_file: text open read_mode is "inputs.hex";
        file expected_file: text open read_mode is "expected.hex";
        file output_file: text open write_mode is "outputs.hex";
        variable row: line;
        variable word: std_logic_vector({input_digits} downto 0);  -- hexadecimal, as in the files
        variable expected: std_logic_vector({output_digits} downto 0);
        variable cycle, events, mismatches: natural := 0;

        -- After `cycle` edges of the clock, the first of which read the first event.
        procedure check is
        begin
            hwrite(row, std_logic_vector(to_01(unsigned(model_out), '0')));
            writeline(output_file, row);
            if cycle > {latency} then
                readline(expected_file, row);
                hread(row, expected);
                if model_out /= expected({outputs} downto 0) then
                    mismatches := mismatches + 1;
                end if;
            end if;
        end procedure;
    begin
        while not endfile(input_file) loop
            wait until falling_edge(clk);
            if cycle > 0 then
                check;
            end if;
            readline(input_file, row);
            hread(row, word);
            model_inp <= word({inputs} downto 0);
            events := events + 1;
            cycle := cycle + 1;
        end loop;
        for past in 0 to {latency} loop
            wait until falling_edge(clk);
            check;
            cycle := cycle + 1;
        end loop;
        write(row, integer'image(events) & " events, " & integer'image(mismatches)
            & " mismatches at a latency of {latency} cycles");
        writeline(output, row);
        done <= true;
        wait;
    end process;
end architecture;
"""


def write_vhdl_bench(hardware: Hardware, folder: Path) -> Path:
    """Write the test bench of the VHDL into a folder and return its path."""
    path = folder / f"{BENCH}.vhd"
    inputs, outputs = hardware.inputs.width, hardware.outputs.width
    write_text(
        path,
        _VHDL.format(
            bench=BENCH,
            top=TOP,
            inputs=inputs - 1,
            outputs=outputs - 1,
            input_digits=-(-inputs // 8) * 8 - 1,
            output_digits=-(-outputs // 8) * 8 - 1,
            latency=hardware.latency,
        ),
    )
    return path
