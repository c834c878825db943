"""Result codes of LDAP (RFC 4511 §4.1.9, RFC 2891, 3909, 4370, 4528, 4533), by their official names.

Which code is an error, and what the directory says with it, is decided where the operation is carried out.
"""

# ruff: noqa: N815 - the RFCs' own spelling, so that a log line and the standard share the same word.

from enum import IntEnum


class ResultCode(IntEnum):
    """The code that ends an operation."""

    success = 0
    operationsError = 1
    protocolError = 2
    timeLimitExceeded = 3
    sizeLimitExceeded = 4
    compareFalse = 5
    compareTrue = 6
    authMethodNotSupported = 7
    strongerAuthRequired = 8
    referral = 10
    adminLimitExceeded = 11
    unavailableCriticalExtension = 12
    confidentialityRequired = 13
    saslBindInProgress = 14
    noSuchAttribute = 16
    undefinedAttributeType = 17
    inappropriateMatching = 18
    constraintViolation = 19
    attributeOrValueExists = 20
    invalidAttributeSyntax = 21
    noSuchObject = 32
    aliasProblem = 33
    invalidDNSyntax = 34
    aliasDereferencingProblem = 36
    inappropriateAuthentication = 48
    invalidCredentials = 49
    insufficientAccessRights = 50
    busy = 51
    unavailable = 52
    unwillingToPerform = 53
    loopDetect = 54
    # RFC 2891 and the VLV draft: a virtual list view without its sort control; an offset outside the list.
    sortControlMissing = 60
    offsetRangeError = 61
    namingViolation = 64
    objectClassViolation = 65
    notAllowedOnNonLeaf = 66
    notAllowedOnRDN = 67
    entryAlreadyExists = 68
    objectClassModsProhibited = 69
    affectsMultipleDSAs = 71
    # The VLV draft: the request and its sort control do not fit together.
    virtualListViewError = 76
    other = 80
    # RFC 3909 (cancel).
    canceled = 118
    noSuchOperation = 119
    tooLate = 120
    cannotCancel = 121
    # RFC 4528 (assertion).
    assertionFailed = 122
    # RFC 4370 (proxied authorization).
    authorizationDenied = 123
    # draft-zeilenga-ldap-noop: it would have been done.
    noOperation = 16654
    # RFC 4533: the consumer's cookie is too old, it must start again.
    syncRefreshRequired = 4096
