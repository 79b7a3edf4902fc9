"""The tests run as the command line does: see `pipeline.device.set_up_process`."""

from pipeline.device import resolve_device, set_up_process

set_up_process(resolve_device("auto"), threads=None)
