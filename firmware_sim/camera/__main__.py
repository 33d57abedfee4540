"""`python3 -m firmware_sim.camera --config FILE`: the camera application's process."""

import sys
from pathlib import Path

from firmware_sim.camera.agent_login import AgentLogin
from firmware_sim.camera.application import run
from firmware_sim.camera.config import CameraConfig, ConfigError, load_config
from firmware_sim.camera.login import Login
from firmware_sim.camera.privileges import PrivilegeError


def main() -> int:
    """Start the camera and serve until a signal; the exit status is 0 only after a clean stop.

    Raises:
        Nothing: what goes wrong becomes the exit status and one line.
    """
    if len(sys.argv) != 3 or sys.argv[1] != "--config":  # argparse would double the time to import
        print("usage: camward-camera --config FILE", file=sys.stderr)
        return 2
    try:
        config = load_config(Path(sys.argv[2]))
        if config.fault == "crash":
            raise ConfigError("this release is broken on purpose (fault: crash)")
        run(config, _login(config))
    except (ConfigError, PrivilegeError) as error:
        print(f"camward-camera: {error}", file=sys.stderr, flush=True)
        return 1
    except OSError as error:
        print(f"camward-camera: cannot serve: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


def _login(config: CameraConfig) -> Login:
    if config.mode == "gated":
        return AgentLogin(config.login_dir)
    return _unsafe_login(config)


def _unsafe_login(config: CameraConfig) -> Login:
    """The control variant's login; its module is in no product image, so a product cannot be configured into it."""
    try:
        from firmware_sim.camera import ungated
    except ImportError as error:
        raise ConfigError("this image holds no ungated camera") from error
    ungated.make_certificate(config)
    return ungated.UnsafeFactoryLogin(config.model, config.hardware, config.version)


if __name__ == "__main__":
    sys.exit(main())
