"""``edge simulate``: scenarios, filmed."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from edge.commands.options import command_line
from edge.commands.work import check_outputs, progress
from edge.errors import ConfigError

app = command_line()


@app.command()
def simulate(
    scenario: Annotated[str, typer.Argument(help="A scenario file, the name of a shipped one, 'all', or 'list'.")],
    *,
    output: Annotated[Path, typer.Option("--output", "-o", help="Clip to write (.mkv), or a folder for it.")] = Path(),
) -> None:
    """Film a scenario: a 16-bit clip and its truth.

    Example: edge simulate nine-in-snow --output nine.mkv
    """
    from edge.simulate import load_scenario, scenario_names
    from edge.simulate import simulate as film

    if scenario == "list":
        print("\n".join(scenario_names()))
        return
    scenes = [load_scenario(name) for name in (scenario_names() if scenario == "all" else [scenario])]
    if scenario == "all" and not output.is_dir():
        raise ConfigError(f"--output {output}: must be a folder that exists when all scenarios are filmed")
    if not output.is_dir():
        check_outputs(output)
    for scene in scenes:
        with progress(scene.name) as advance:
            clip = film(scene, output, progress=advance)
        sys.stderr.write(f"{clip} and {clip.with_suffix('.truth.json').name}\n")
