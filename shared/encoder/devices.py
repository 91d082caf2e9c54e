"""Where a model runs."""

import torch

from shared.errors import ConfigurationError


def device_called(name: str) -> torch.device:
    """Return the device that torch calls *name*: `cpu`, `cuda` or `cuda:1`.

    Raises:
        ConfigurationError: this torch, or this machine, does not have it.
    """
    device = torch.device(name)
    if device.type == "cpu":
        return device
    if not torch.cuda.is_available():
        raise ConfigurationError(
            f"LAMINA_ENCODING_DEVICE is {name}, but torch {torch.__version__} finds no such device "
            "here. Lamina installs torch for CPUs: install one for your device, or set cpu."
        )
    if (device.index or 0) >= torch.cuda.device_count():
        raise ConfigurationError(
            f"LAMINA_ENCODING_DEVICE is {name}, but there are {torch.cuda.device_count()} devices, "
            "counted from 0."
        )
    return device
