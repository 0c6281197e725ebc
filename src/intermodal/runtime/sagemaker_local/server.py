"""The HTTP server, on 127.0.0.1 alone: our operations first, moto behind them for everything else."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from intermodal.runtime.sagemaker_local.service import LocalOptions, Service

if TYPE_CHECKING:
    from intermodal.runtime.sagemaker_local.answering import Seen

_REMEMBERED = 100_000  # calls
_ALIVE: set[int] = set()  # those of this process: they share moto, which is one for a process


class LocalSageMaker:
    """SageMaker on this machine, as a Python object.

    ::

        with LocalSageMaker(LocalOptions(home=tmp_path)) as local:
            boto3.client("sagemaker", endpoint_url=local.url, region_name="us-east-1")

    Args:
        options: Its options.

    Raises:
        OSError: The port is taken.
    """

    def __init__(self, options: LocalOptions) -> None:
        from intermodal.runtime.sagemaker_local.answering import Application
        from intermodal.runtime.sagemaker_local.listening import make_server

        self._application: Any = None
        self._server = make_server(options.port, self._call)
        self.url = f"http://127.0.0.1:{self._server.port}"
        self._seen: deque[Seen] = deque(maxlen=_REMEMBERED)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        _ALIVE.add(id(self))
        try:
            self.service = Service(options, self.url)
            self._application = Application(self.service, self._seen)
        except BaseException:
            self._server.server_close()
            _forget(self)
            raise

    @property
    def requests(self) -> list[Seen]:
        """The calls that have come in, the oldest first; a copy, for more may come while they are looked through."""
        return list(self._seen)

    def start(self) -> LocalSageMaker:
        """Listen."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop the jobs, and stop listening."""
        self.service.close()
        self._server.shutdown()
        self._server.server_close()
        _forget(self)

    def _call(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        return self._application(environ, start)

    def __enter__(self) -> LocalSageMaker:
        """See `start`."""
        return self.start()

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """See `stop`."""
        self.stop()


def _forget(local: LocalSageMaker) -> None:
    """With the last of a process, all that moto knows is gone, as it would be with the process."""
    from moto.moto_api._internal.models import moto_api_backend

    _ALIVE.discard(id(local))
    if not _ALIVE:
        moto_api_backend.reset()
