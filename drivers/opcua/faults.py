"""What went wrong with an OPC UA server, as one plain sentence: what it is, and what to do about it."""

import socket
from collections.abc import Mapping
from typing import Final

from asyncua import ua
from asyncua.crypto.uacrypto import InvalidSignature
from asyncua.ua import uaerrors

from drivers.opcua.security import SecurityFault

OURS_REFUSED: Final = "the server does not accept our certificate: let it trust the certificate in {place}"
"""Said where the server refuses the channel: few servers say why, to tell an intruder nothing."""
_SESSION_GONE: Final = "the server has ended our session (it may have been restarted); we connect again"
_BUSY: Final = "all its connections are taken by other clients: end one of them, or raise the server's limit"

_SENTENCES: Final[Mapping[type[BaseException], str]] = {
    uaerrors.BadTooManySessions: "all its sessions are taken by other clients: end one of them, or raise the server's limit",
    uaerrors.BadMaxConnectionsReached: _BUSY,
    uaerrors.BadTcpNotEnoughResources: _BUSY,
    uaerrors.BadTcpServerTooBusy: _BUSY,
    uaerrors.BadSecurityPolicyRejected: "the server refuses the security policy: choose one that `telemetry browse` shows",
    uaerrors.BadSecurityModeRejected: "the server refuses the security mode: choose one that `telemetry browse` shows",
    uaerrors.BadSessionIdInvalid: _SESSION_GONE,
    uaerrors.BadSessionClosed: _SESSION_GONE,
    uaerrors.BadSessionNotActivated: _SESSION_GONE,
    uaerrors.BadSecureChannelIdInvalid: _SESSION_GONE,
    uaerrors.BadSecureChannelClosed: _SESSION_GONE,
    uaerrors.BadSecureChannelTokenUnknown: _SESSION_GONE,
    uaerrors.BadServerHalted: "the server is halted: start it",
    uaerrors.BadShutdown: "the server is shutting down",
    uaerrors.BadTcpEndpointUrlInvalid: "the server does not know the path of this address: compare it with the server's endpoints",
    uaerrors.BadNotWritable: "the server does not let it be written: compare `writable` in the profile with the server",
    uaerrors.BadUserAccessDenied: "the user has no right to do that: give it the right in the server",
    uaerrors.BadTypeMismatch: "the server does not take a value of this type",
    uaerrors.BadOutOfRange: "the value is outside what the server takes",
    uaerrors.BadNodeIdUnknown: "the server has no such node: compare the profile with the server (`telemetry browse`)",
    uaerrors.BadMethodInvalid: "the server has no such method: compare the profile with the server (`telemetry browse`)",
    uaerrors.BadArgumentsMissing: "the method needs more arguments",
    uaerrors.BadTooManyArguments: "the method takes fewer arguments",
    uaerrors.BadInvalidArgument: "the method does not take these arguments",
    uaerrors.BadInvalidState: "the device cannot do that in its present state",
}  # fmt: skip
_LOGIN: Final = (
    uaerrors.BadUserAccessDenied,
    uaerrors.BadIdentityTokenRejected,
    uaerrors.BadIdentityTokenInvalid,
    uaerrors.BadUserSignatureInvalid,
    uaerrors.BadIdentityChangeNotSupported,
)
_CERTIFICATE: Final = (
    uaerrors.BadSecurityChecksFailed,
    uaerrors.BadCertificateUntrusted,
    uaerrors.BadCertificateInvalid,
    uaerrors.BadCertificateChainIncomplete,
    uaerrors.BadCertificateIssuerUseNotAllowed,
    uaerrors.BadCertificateUseNotAllowed,
    uaerrors.BadCertificateUriInvalid,
    uaerrors.BadCertificateHostNameInvalid,
    uaerrors.BadCertificateRevoked,
    AssertionError,  # asyncua's answer to a fault in place of an opened channel (node-opcua sends one)
)


_REFUSALS: Final = (
    uaerrors.BadNotWritable,
    uaerrors.BadWriteNotSupported,
    uaerrors.BadUserAccessDenied,
    uaerrors.BadTypeMismatch,
    uaerrors.BadOutOfRange,
    uaerrors.BadNodeIdUnknown,
    uaerrors.BadNodeIdInvalid,
    uaerrors.BadAttributeIdInvalid,
    uaerrors.BadMethodInvalid,
    uaerrors.BadNotExecutable,
    uaerrors.BadArgumentsMissing,
    uaerrors.BadTooManyArguments,
    uaerrors.BadInvalidArgument,
    uaerrors.BadInvalidState,
    uaerrors.BadNotSupported,
    uaerrors.BadServiceUnsupported,
    uaerrors.BadTooManyOperations,
    uaerrors.BadTcpServerTooBusy,
    uaerrors.BadSessionIdInvalid,
    uaerrors.BadSessionNotActivated,
    uaerrors.BadSecureChannelIdInvalid,
    uaerrors.BadSecureChannelTokenUnknown,
    uaerrors.BadSecurityModeInsufficient,
)
"""Said by a server before it does anything. All else may come from half-way through, or from a gateway that gave up."""


class Unreachable(Exception):
    """No session could be opened; the text is a plain sentence."""


class LoginRefused(Unreachable):
    """The server does not take the login. Asked again and again, many servers lock the account."""


def is_refusal(error: BaseException) -> bool:
    """Whether the server's answer to a write or a call says that nothing was done."""
    return isinstance(error, _REFUSALS)


def sentence(error: BaseException) -> str:
    """What an operator can do something with, for an error on an open session, or one of the network."""
    match error:
        case SecurityFault() | Unreachable():
            return str(error)
        case TimeoutError():
            return "it does not answer"
        case ConnectionRefusedError():
            return "nothing listens at that address: compare it with the device's, and see whether the device is on"
        case socket.gaierror():
            return "its host name is not known: mend the address, or the name service"
        case ConnectionError():
            return "it closed the connection"
        case InvalidSignature():
            return "the server could not prove that its certificate is its own: somebody may stand between"
        case ua.UaStatusCodeError():
            known = _SENTENCES.get(type(error))
            return f"{known} ({name_of(error)})" if known else f"the server says {name_of(error)}"
        case OSError():
            return error.strerror or str(error)
        case UnicodeError():
            return "its host name is none: mend the address"
        case ValueError() | ua.UaError():
            return str(error) or type(error).__name__
        case _:
            return f"{type(error).__name__} {error}".strip()


def connecting(error: BaseException, stage: str, login: str, place: str | None) -> Unreachable:
    """What to raise for an error while connecting. stage: ``network``, ``endpoints``, ``channel``, ``session`` or ``login``; login:
    who wanted in (``user operator``); place: the file of our own certificate, None on an unsecured channel."""
    refused = stage == "login" and isinstance(error, _LOGIN)
    return (LoginRefused if refused else Unreachable)(_connecting(error, stage, login, place))


def _connecting(error: BaseException, stage: str, login: str, place: str | None) -> str:
    if stage == "network":
        return sentence(error)
    if isinstance(error, TimeoutError):
        return "it takes the connection and then does not answer: it may be frozen or overloaded"
    if isinstance(error, uaerrors.BadCertificateTimeInvalid):
        return (
            "the server says that a certificate has expired or is not valid yet: compare its clock with ours, and let it "
            f"trust the certificate in {place} (BadCertificateTimeInvalid)"
        )
    if stage == "login" and isinstance(error, _LOGIN):
        return f"the server refuses {login}: compare name and password with the server's ({name_of(error)})"
    if place is not None and stage in ("channel", "session"):
        if isinstance(error, _CERTIFICATE):
            return f"{OURS_REFUSED.format(place=place)} ({name_of(error)})"
        if isinstance(error, ConnectionError):
            return (
                f"it closed the connection when we showed our certificate; perhaps {OURS_REFUSED.format(place=place)}"
            )
    return sentence(error)


def name_of(error: BaseException) -> str:
    """An error's name in the specification."""
    return "no reason given" if isinstance(error, AssertionError) else type(error).__name__
