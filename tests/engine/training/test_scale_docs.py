"""The commands that docs/training-at-scale.md and its examples give can be carried out as they stand."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from engine import config
from engine.__main__ import build_parser
from engine.presets import load_preset

ROOT = Path(__file__).parents[3]
GUIDE = ROOT / "docs/training-at-scale.md"
SLURM, SKY = ROOT / "docs/examples/slurm.sbatch", ROOT / "docs/examples/skypilot.yaml"


def sky_script(key: str = "run") -> str:
    yaml = pytest.importorskip("yaml")
    content = yaml.safe_load(SKY.read_text(encoding="utf-8"))
    assert content["num_nodes"] == 2
    script: str = content[key]
    return script


def commands(script: str) -> list[tuple[list[str], list[str]]]:
    """(torchrun's words, w2v-engine's words) of each command in a script."""
    joined = script.replace("\\\n", " ")
    lines = [line for line in joined.splitlines() if "torchrun " in line and not line.strip().startswith("#")]
    found = []
    for line in lines:
        launcher, engine = line[line.index("torchrun ") :].rstrip(" &").split(" w2v-engine ")
        found.append((shlex.split(launcher)[1:], shlex.split(engine)))
    return found


def scripts() -> dict[str, str]:
    blocks = re.findall(r"```bash\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.S)
    return {"guide": "\n".join(blocks), "slurm": SLURM.read_text(encoding="utf-8"), "sky": sky_script()}


@pytest.mark.parametrize(("name", "count"), [("guide", 3), ("slurm", 1), ("sky", 1)])
def test_every_command_is_understood(name: str, count: int) -> None:
    found = commands(scripts()[name])
    assert len(found) == count
    from torch.distributed.run import get_args_parser

    for launcher, engine in found:
        sizes = {"$SLURM_JOB_NUM_NODES": "2", "$SKYPILOT_NUM_NODES": "2"}
        words = [word.replace(mark, sizes[mark]) for word in launcher for mark in [next(iter(sizes))]]
        parsed = get_args_parser().parse_args([*words, "w2v-engine", *engine])
        assert parsed.no_python
        assert parsed.training_script == "w2v-engine"
        arguments = build_parser().parse_args(parsed.training_script_args)
        assert arguments.command == "pretrain"
        run = config.with_settings(load_preset(arguments.preset), arguments.settings)
        assert run.task == "pretrain"
        processes = int(parsed.nproc_per_node) if parsed.nproc_per_node.isdigit() else 8
        nodes = 2 if name in ("slurm", "sky") else 1
        assert run.loop.accumulate % (processes * nodes) == 0


@pytest.mark.parametrize("name", ["slurm", "sky"])
def test_the_scripts_are_sound_shell(name: str, tmp_path: Path) -> None:
    script = tmp_path / "script.sh"
    text = scripts()[name]
    script.write_text(text if text.startswith("#!") else "#!/bin/bash\n" + text, encoding="utf-8")
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash")
    subprocess.run([bash, "-n", str(script)], check=True)
    shellcheck = shutil.which("shellcheck")
    if shellcheck is not None:
        done = subprocess.run([shellcheck, str(script)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_the_job_script_stops_queues_again_and_passes_its_status_on(tmp_path: Path) -> None:
    """Carried out with stand-ins for Slurm's programs, which note how they were called."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash")
    for name, body in {
        "scontrol": 'case $1 in show) printf "node1\\nnode2\\n";; *) echo "$@" >> calls;; esac',
        "srun": 'echo "$@" > srun-words; if [ -n "$TAKES_TIME" ]; then kill -USR1 $PPID; '
        'until [ -e "$RUN/stop" ]; do :; done; fi; exit "$ENDS_WITH"',
    }.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{body}\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "run").mkdir()
    common = {"PATH": f"{tmp_path}:/usr/bin:/bin", "RUN": str(tmp_path / "run"), "SLURM_JOB_NODELIST": "node[1-2]"}
    common |= {"SLURM_JOB_NUM_NODES": "2", "SLURM_GPUS_ON_NODE": "8", "SLURM_JOB_ID": "17"}
    failed = subprocess.run(
        [bash, str(SLURM)], env=common | {"TAKES_TIME": "", "ENDS_WITH": "3"}, cwd=tmp_path, check=False
    )
    assert failed.returncode == 3
    assert not (tmp_path / "calls").exists()
    words = (tmp_path / "srun-words").read_text()
    assert "--rdzv-endpoint=node1:29500 --rdzv-id=17" in words
    assert "--nnodes=2 --nproc-per-node=8" in words
    over = subprocess.run(
        [bash, str(SLURM)], env=common | {"TAKES_TIME": "1", "ENDS_WITH": "0"}, cwd=tmp_path, check=False
    )
    assert over.returncode == 0
    assert (tmp_path / "run/stop").exists()
    assert (tmp_path / "calls").read_text() == "requeue 17\n"
