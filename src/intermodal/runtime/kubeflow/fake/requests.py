"""A request, and what there is to answer it with."""

from __future__ import annotations

import email.parser
import email.policy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from intermodal.runtime.kubeflow.fake.answers import invalid

if TYPE_CHECKING:
    from intermodal.runtime.kubeflow.fake.controller import Controller
    from intermodal.runtime.kubeflow.fake.faults import Faults
    from intermodal.runtime.kubeflow.fake.options import FakeOptions
    from intermodal.runtime.kubeflow.fake.state import State


@dataclass(frozen=True)
class Request:
    """One HTTP request.

    Attributes:
        method: GET, POST, DELETE or PATCH.
        path: Its path, without the query.
        query: Its query, one value a name.
        body: Its bytes.
        content_type: Their type.
        names: What the path holds in the places of the route's variables.
    """

    method: str
    path: str
    query: dict[str, str]
    body: bytes = b""
    content_type: str = ""
    names: dict[str, str] = field(default_factory=dict)

    def file(self) -> tuple[str, bytes]:
        """Name and content of the file that a multipart body holds in `uploadfile`.

        Raises:
            Refused: 400, there is none.
        """
        head = f"Content-Type: {self.content_type}\r\n\r\n".encode()
        message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + self.body)
        for part in message.iter_parts() if message.is_multipart() else ():
            if part.get_param("name", header="content-disposition") == "uploadfile":
                content = part.get_payload(decode=True)
                return part.get_filename() or "", content if isinstance(content, bytes) else b""
        raise invalid("the request has no file named uploadfile")


@dataclass(frozen=True)
class Backend:
    """What requests are answered with.

    Attributes:
        options: The options.
        state: The database.
        controller: Runs the runs.
        faults: What goes wrong on purpose.
    """

    options: FakeOptions
    state: State
    controller: Controller
    faults: Faults
