"""What networks are trained on here, by the names that its makers gave it."""

import os
import platform
import subprocess
from collections import Counter
from pathlib import Path

import keras


def hardware() -> str:
    """Name the GPUs that Keras uses; without one, the processor."""
    names = Counter(_gpus())
    if not names:
        return f"{_processor()}, {os.cpu_count() or 1} processors"
    return ", ".join(f"{count} × {name}" if count > 1 else name for name, count in names.items())


def _gpus() -> list[str]:
    match keras.backend.backend():
        case "tensorflow":
            import tensorflow as tf

            gpus = tf.config.list_physical_devices("GPU")
            details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
            return [entry.get("device_name", "GPU") for entry in details]
        case "jax":
            import jax

            return [device.device_kind for device in jax.devices() if device.platform != "cpu"]
        case "torch":
            # Whoever has chosen this backend has it.
            # pyrefly: ignore [missing-import]
            import torch

            return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return []


def _processor() -> str:
    """Return the processor's name; systems keep it in different places."""
    name = platform.processor()
    if platform.system() == "Darwin":
        asked = subprocess.run(
            ["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True, check=False
        )
        name = asked.stdout.strip() or name
    elif (listed := Path("/proc/cpuinfo")).is_file():
        lines = listed.read_text(encoding="utf-8", errors="replace").splitlines()
        models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        name = models[0] if models else name
    return name or platform.machine()
