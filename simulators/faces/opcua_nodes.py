# pyright: reportArgumentType=false
# (asyncua declares identifiers as types of their own, and takes plain numbers)
"""The nodes of a simulated device as asyncua adds them: folder and objects, variables, methods."""

from collections.abc import Mapping
from typing import Final

from asyncua import ua

from drivers.opcua.browse_path import names_of
from drivers.profile import Kind

TYPES: Final[dict[Kind, ua.VariantType]] = {
    "float": ua.VariantType.Float,
    "integer": ua.VariantType.Int32,
    "boolean": ua.VariantType.Boolean,
    "state": ua.VariantType.Int32,
    "text": ua.VariantType.String,
}


def item(node: ua.NodeId, name: str, parent: ua.NodeId, reference: int) -> ua.AddNodesItem:
    """An object called `name`, hanging at `parent` by `reference`."""
    return ua.AddNodesItem(
        RequestedNewNodeId=node,
        BrowseName=ua.QualifiedName(name, node.NamespaceIndex),
        NodeClass=ua.NodeClass.Object,
        ParentNodeId=parent,
        ReferenceTypeId=ua.NodeId(reference),
        TypeDefinition=ua.NodeId(ua.ObjectIds.BaseObjectType),
        NodeAttributes=ua.ObjectAttributes(DisplayName=ua.LocalizedText(name)),
    )


def folder(node: ua.NodeId, name: str) -> ua.AddNodesItem:
    """The device itself, under Objects."""
    return item(node, name, ua.NodeId(ua.ObjectIds.ObjectsFolder), ua.ObjectIds.Organizes)


def along(path: str, indexes: Mapping[str, int]) -> list[tuple[ua.NodeId, str]]:
    """The objects and at last the variable of a path of browse names, each with an identifier of our own in the namespace of its
    name, which `indexes` gives by prefix."""
    names = names_of(path)
    return [
        (ua.NodeId("/".join(name for _, name in names[: i + 1]), indexes[prefix]), last)
        for i, (prefix, last) in enumerate(names)
    ]


def variable(node: ua.NodeId, parent: ua.NodeId, name: str, shown: str, kind: Kind, writable: bool) -> ua.AddNodesItem:
    """The node of a tag."""
    access = ua.AccessLevel.CurrentRead.mask | (ua.AccessLevel.CurrentWrite.mask if writable else 0)
    return ua.AddNodesItem(
        RequestedNewNodeId=node,
        BrowseName=ua.QualifiedName(name, node.NamespaceIndex),
        NodeClass=ua.NodeClass.Variable,
        ParentNodeId=parent,
        ReferenceTypeId=ua.NodeId(ua.ObjectIds.HasComponent),
        TypeDefinition=ua.NodeId(ua.ObjectIds.BaseDataVariableType),
        NodeAttributes=ua.VariableAttributes(
            DisplayName=ua.LocalizedText(shown),
            DataType=ua.NodeId(TYPES[kind].value),
            AccessLevel=access,
            UserAccessLevel=access,
        ),
    )


def method(node: ua.NodeId, parent: ua.NodeId, name: str, shown: str) -> ua.AddNodesItem:
    """A method without arguments."""
    return ua.AddNodesItem(
        RequestedNewNodeId=node,
        BrowseName=ua.QualifiedName(name, node.NamespaceIndex),
        NodeClass=ua.NodeClass.Method,
        ParentNodeId=parent,
        ReferenceTypeId=ua.NodeId(ua.ObjectIds.HasComponent),
        NodeAttributes=ua.MethodAttributes(DisplayName=ua.LocalizedText(shown), Executable=True, UserExecutable=True),
    )
