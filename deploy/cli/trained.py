"""`deploy trained`: networks that were trained as spiking ones."""

from __future__ import annotations

from deploy.cli.answer import answered
from deploy.cli.app import app
from deploy.cli.declared import takes
from deploy.options.checks import check_input_file
from deploy.output import TRAINED, check_replaceable
from deploy.progress import BarProgress
from deploy.sources.named import check_model
from deploy.terminal import Terminal
from deploy.trained.options import TrainedOptions


@app.command()
@takes(TrainedOptions)
def trained(options: TrainedOptions) -> None:
    """Runs a network that was trained as a spiking one: snnTorch, Norse, SpikingJelly's neurons, or your own.

    It is captured as it is and has to fire the model's own spikes; then it runs in integers and on Lava, its events are
    counted, and its energy is priced by the formula of the spiking transformers' papers and by every convention here.

    [bold]Examples[/bold]

    deploy trained --model examples/spiking/spikformer.py:small --weights net.safetensors --data test.npz -o out/spikformer

    deploy trained --model nets.py:build --form sequence --frames 10 --data events.npz -o out/net
    """
    options.check()
    for name, path in (("--data", options.data), ("--weights", options.weights), ("--calib", options.calib)):
        check_input_file(name, path)
    check_replaceable(options.out.expanduser().absolute(), options.force, (TRAINED,))
    check_model(options.model)
    from deploy.trained.run import run_trained
    from deploy.trained.show import shown

    report = run_trained(options, BarProgress())
    if answered(report.model_dump_json(indent=1)):
        return
    console = Terminal()
    for part in shown(report):
        console.print(part, soft_wrap=isinstance(part, str))
    console.print(f"Written to {options.out}", soft_wrap=True)
