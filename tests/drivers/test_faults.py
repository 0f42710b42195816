"""Every fault of an OPC UA server or of the network is one plain sentence that says what to do; secrets are in none of them."""

import socket

import pytest
from asyncua import ua
from asyncua.crypto.uacrypto import InvalidSignature
from asyncua.ua import uaerrors

from drivers.opcua.faults import LoginRefused, Unreachable, connecting, sentence
from drivers.opcua.security import SecurityFault

OURS = "/keys/own/certificate.der"


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (TimeoutError(), "does not answer"),
        (ConnectionRefusedError(111, "refused"), "nothing listens"),
        (socket.gaierror(-2, "unknown"), "host name is not known"),
        (ConnectionResetError(), "closed the connection"),
        (OSError(113, "No route to host"), "No route to host"),
        (uaerrors.BadTooManySessions(), "sessions are taken by other clients"),
        (uaerrors.BadSessionIdInvalid(), "may have been restarted"),
        (uaerrors.BadSecureChannelIdInvalid(), "may have been restarted"),
        (uaerrors.BadNodeIdUnknown(), "no such node"),
        (uaerrors.BadServerHalted(), "halted"),
        (uaerrors.BadInternalError(), "the server says BadInternalError"),
        (ua.UaError("Server certificate mismatch"), "Server certificate mismatch"),
        (InvalidSignature(), "could not prove"),
        (SecurityFault("do this"), "do this"),
        (KeyError("x"), "KeyError"),
    ],
)
def test_on_an_open_session(error: Exception, says: str) -> None:
    assert says in sentence(error)


@pytest.mark.parametrize(
    ("error", "stage", "place", "says"),
    [
        (TimeoutError(), "network", OURS, "does not answer"),
        (TimeoutError(), "channel", OURS, "takes the connection and then does not answer"),
        (TimeoutError(), "channel", None, "takes the connection and then does not answer"),
        (uaerrors.BadSecurityChecksFailed(), "channel", OURS, f"trust the certificate in {OURS}"),
        (uaerrors.BadCertificateUntrusted(), "session", OURS, f"trust the certificate in {OURS}"),
        (AssertionError(), "channel", OURS, f"trust the certificate in {OURS}"),
        (ConnectionResetError(), "channel", OURS, "when we showed our certificate"),
        (ConnectionResetError(), "channel", None, "closed the connection"),
        (uaerrors.BadCertificateTimeInvalid(), "session", OURS, "compare its clock with ours"),
        (uaerrors.BadSecurityPolicyRejected(), "channel", OURS, "telemetry browse"),
        (uaerrors.BadTooManySessions(), "session", OURS, "sessions are taken"),
        (uaerrors.BadUserAccessDenied(), "session", OURS, "has no right"),
    ],
)
def test_while_connecting(error: Exception, stage: str, place: str | None, says: str) -> None:
    raised = connecting(error, stage, "user operator or the password", place)
    assert says in str(raised) and type(raised) is Unreachable


@pytest.mark.parametrize(
    "error",
    [uaerrors.BadUserAccessDenied(), uaerrors.BadIdentityTokenRejected(), uaerrors.BadIdentityTokenInvalid()],
)
def test_a_refused_login_is_told_apart(error: Exception) -> None:
    raised = connecting(error, "login", "user operator or the password", OURS)
    assert isinstance(raised, LoginRefused)
    assert "refuses user operator or the password" in str(raised) and type(error).__name__ in str(raised)
