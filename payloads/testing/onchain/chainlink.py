"""The published llo-feeds contracts of a generation, set up as a state says.

Everything is set up by the contracts' own calls, with three exceptions. v0.3.0 derives a config's
digest by hashing inputs that a state does not record, so no call gives a wanted digest: there the
storage of verifier and proxy is written (`_write_config`), slot by slot as `_setConfig` and
`setVerifier` would have. The proxy's code is laid at the address that the state has for it. And an
account gets its tokens and allowances by the storage of our token.

Of a state only its records are read, and nothing that the library derives from them: verdicts use
that, and are held against these contracts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from eth_abi.abi import decode, encode

from payloads.abi.calldata import function_named, function_of
from payloads.abi.fields import hexed
from payloads.chainlink.calldata import FUNCTIONS, VIEWS
from payloads.chainlink.payment import Pay, parameter, value_sent
from payloads.chainlink.quotes import native_fee
from payloads.chainlink.state import V03, V04, ChainlinkState, Config, FeeManager
from payloads.errors import Misuse
from payloads.testing.networks import LINK, NATIVE, SUBSCRIBER
from payloads.testing.onchain.building import Artifact
from payloads.testing.onchain.encoding import calldata, mapped, selector
from payloads.testing.onchain.evm import DEPLOYER, LATE, Chain

NOWHERE: Final = "0x" + "00" * 20

# Storage of our token: balances, and allowances by owner and spender.
_BALANCES, _ALLOWANCES = 0, 1
_NO_OP: Final = "NoOpFeeManager "
_PLENTY: Final = 2**254
# Storage of all proxies and verifiers: two slots of ConfirmedOwner come first.
_OWNER: Final = 0
# v0.3.0's Verifier: then the mapping of feed states.
_FEED_STATES: Final = 2
# Its VerifierProxy: then the initialised verifiers, and the verifier by digest.
_VERIFIER_BY_DIGEST: Final = 3
# Offsets in a feed's state, and in a config, of the mappings inside them.
_CONFIGS, _ORACLES = 2, 1
_ROLE_SIGNER: Final = 1


class ChainlinkContracts:
    """One generation's proxy, verifier, fee manager and access controller on a chain."""

    def __init__(self, state: ChainlinkState, artifacts: Mapping[str, Artifact]) -> None:
        _check(state)
        self.state = state
        self.subscriber = SUBSCRIBER if state.subscriber is None else _hex(state.subscriber)
        # Late, because v0.4.0 sets no config before it applies.
        self.chain = Chain(now=LATE)
        self._artifacts = artifacts
        # Which tokens are taken by which contract.
        self._spenders: list[tuple[str, str]] = []
        if state.contract == V04:
            self._set_up_v04()
        else:
            self._set_up()

    @property
    def address(self) -> str:
        """The contract that is called."""
        return self.proxy

    def fund(self, account: str) -> None:
        """Give an account ether, and the tokens and allowances that fees are taken by."""
        self.chain.enrich(account)
        for token, spender in self._spenders:
            balance = mapped(_BALANCES, bytes.fromhex(account[2:]))
            allowances = mapped(_ALLOWANCES, bytes.fromhex(account[2:]))
            self.chain.store(token, balance, _PLENTY)
            self.chain.store(token, mapped(allowances, bytes.fromhex(spender[2:])), 2**256 - 1)

    def request(
        self,
        payloads: list[bytes],
        bulk: bool,
        function: str | None,
        pay: Pay | None,
        value: int | None,
        sender: bytes,
    ) -> tuple[bytes, int]:
        """The calldata and the value of a call on the terms of `judge`."""
        found = function_named(FUNCTIONS, function or ("verifyBulk" if bulk else "verify"))
        if found.takes_many != bulk:
            expected = "several payloads" if found.takes_many else "one payload"
            raise Misuse(f"{found.name} takes {expected}", field="function", expected=expected)
        if found in VIEWS and pay:
            raise Misuse("a view pays nothing", field="pay", expected="none")
        named = () if found in VIEWS else (parameter(pay, self.state),)
        sent = value_sent(pay, value, lambda: native_fee(payloads, self.state, sender))
        return found.calldata(payloads if bulk else payloads[0], *named), sent

    def returned(self, calldata: bytes, data: bytes) -> Any:
        """The reports, as a verdict has them."""
        function = function_of(FUNCTIONS, calldata)
        if function is None:
            return hexed(data)
        (found,) = decode(["bytes[]" if function.takes_many else "bytes"], data)
        return tuple(map(hexed, found)) if function.takes_many else hexed(found)

    # --- the generations --------------------------------------------------------------------------

    def _set_up(self) -> None:
        """v0.3.0, v0.5.0 and v0.5.1."""
        state = self.state
        self.proxy = self._proxy("VerifierProxy", ("address",), NOWHERE)
        self.verifier = self.deploy("Verifier", ("address",), self.proxy)
        self.send(self.proxy, "initializeVerifier(address)", self.verifier)
        fees = state.fee_manager
        if fees is not None:
            does_nothing = str(fees.type).startswith(_NO_OP)
            made = self._no_op(fees) if does_nothing else self._fee_manager(fees, "", self.proxy)
            self.send(self.proxy, "setFeeManager(address)", made)
        self._control(self.proxy)
        for config in self._in_force:
            if state.contract == V03:
                self._configure_v03(config)
            else:
                self._configure(config)
        for feed in state.deactivated_feeds:
            self._deactivate(bytes(feed.id))
        known = {config.config_digest for config in self._in_force}
        for digest in known & {ended.id for ended in state.unset_digests}:
            self.send(self.proxy, "unsetVerifier(bytes32)", digest)

    def _set_up_v04(self) -> None:
        fees = self.state.fee_manager
        self.proxy = self._proxy("DestinationVerifierProxy")
        self.verifier = self.deploy("DestinationVerifier", ("address",), self.proxy)
        self.send(self.proxy, "setVerifier(address)", self.verifier)
        if fees is not None:
            made = self._fee_manager(fees, "Destination", self.verifier)
            self.send(self.verifier, "setFeeManager(address)", made)
        # The verifier asks the access controller here, and in the other generations the proxy.
        self._control(self.verifier)
        for index, config in enumerate(self._in_force):
            signature = "setConfigWithActivationTime(address[],uint8,(address,uint64)[],uint32)"
            activation = config.activation_time or 0
            self.send(self.verifier, signature, config.signers, config.f, (), activation)
            if not config.active:
                self.send(self.verifier, "setConfigActive(uint256,bool)", index, False)

    @property
    def _in_force(self) -> list[Config]:
        return [config for config in self.state.configs if config.removed_at is None]

    # --- configs ----------------------------------------------------------------------------------

    def _configure(self, config: Config) -> None:
        digest = config.config_digest
        signature = "setConfig(bytes32,address[],uint8,(address,uint64)[])"
        self.send(self.verifier, signature, digest, config.signers, config.f, ())
        if not config.active:
            self.send(self.verifier, "deactivateConfig(bytes32)", digest)

    def _configure_v03(self, config: Config) -> None:
        feed, digest = bytes(config.feed_id or b""), bytes(config.config_digest or b"")
        self._write_config(feed, digest, config)
        registered = mapped(_VERIFIER_BY_DIGEST, digest)
        self.chain.store(self.proxy, registered, int(self.verifier, 16))
        if not config.active:
            self.send(self.verifier, "deactivateConfig(bytes32,bytes32)", feed, digest)

    def _write_config(self, feed: bytes, digest: bytes, config: Config) -> None:
        """What v0.3.0's `_setConfig` stores, for a digest of our choosing."""
        chain, verifier = self.chain, self.verifier
        state = mapped(_FEED_STATES, feed)
        # configCount is the lowest uint32; block number, epoch and isDeactivated stay zero. The
        # latest digest is left alone too: it would only keep this config from being deactivated.
        chain.store(verifier, state, chain.load(verifier, state) + 1)
        slot, is_active = mapped(state + _CONFIGS, digest), 1 << 8
        chain.store(verifier, slot, is_active | config.f)
        for index, signer in enumerate(config.signers):
            chain.store(verifier, mapped(slot + _ORACLES, signer), _ROLE_SIGNER << 8 | index)

    def _deactivate(self, feed: bytes) -> None:
        """v0.3.0: deactivate a feed."""
        state = mapped(_FEED_STATES, feed)
        if not self.chain.load(self.verifier, state):
            # The contract refuses to deactivate a feed that was never configured.
            self.chain.store(self.verifier, state, 1)
        self.send(self.verifier, "deactivateFeed(bytes32)", feed)

    # --- fees and access --------------------------------------------------------------------------

    def _no_op(self, fees: FeeManager) -> str:
        """A fee manager that does nothing, of the version that its type names."""
        version = str(fees.type).removeprefix(_NO_OP)
        name = f"v{version}/NoOpFeeManager"
        if version == "0.5.0":
            return self.create(name)
        tokens = (fees.link or LINK, fees.native or NATIVE, NOWHERE)
        return self.create(name, ("address",) * 3, *tokens)

    def _fee_manager(self, fees: FeeManager, prefix: str, owner: str) -> str:
        """A fee manager that charges, with the terms of the state; `owner` makes the payments."""
        link, native = _hex(fees.link or b""), _hex(fees.native or b"")
        for token in (link, native):
            # The reports' quotes name their addresses, so the code is laid there.
            self.chain.place(token, self._artifacts["Token"]["runtime"])
        rewards = self.deploy(f"{prefix}RewardManager", ("address",), link)
        pay_to = (link, native, owner, rewards)
        made = self.deploy(f"{prefix}FeeManager", ("address",) * 4, *pay_to)
        admit = "addFeeManager(address)" if prefix else "setFeeManager(address)"
        self.send(rewards, admit, made)
        # LINK is taken by the reward manager, and wrapped native by the fee manager.
        self._spenders = [(link, rewards), (native, made)]
        self.send(made, "setNativeSurcharge(uint64)", fees.native_surcharge)
        # A discount of a named subscriber goes before the one of the state's own.
        for entry in sorted(fees.discounts, key=lambda one: one.subscriber is not None):
            user = self.subscriber if entry.subscriber is None else _hex(entry.subscriber)
            paid = link if entry.token == "link" else native
            if entry.feed_id is None:
                signature = "updateSubscriberGlobalDiscount(address,address,uint64)"
                self.send(made, signature, user, paid, entry.discount)
            else:
                signature = "updateSubscriberDiscount(address,bytes32,address,uint64)"
                self.send(made, signature, user, entry.feed_id, paid, entry.discount)
        return made

    def _control(self, guarded: str) -> None:
        """Set the published access controller of the state's kind, with its list."""
        access = self.state.access_controller
        if access is None:
            return
        kind = "Read" if access.admits_origins else "Write"
        controller = self.create(f"Simple{kind}AccessController")
        if access.allowed is None:
            self.send(controller, "disableAccessCheck()")
        for user in access.allowed or ():
            self.send(controller, "addAccess(address)", user)
        self.send(guarded, "setAccessController(address)", controller)

    # --- calls ------------------------------------------------------------------------------------

    def _proxy(self, name: str, types: tuple[str, ...] = (), *args: object) -> str:
        """A proxy, at the state's address for it, if the state has an address."""
        made = self.deploy(name, types, *args)
        if self.state.proxy is None:
            return made
        address = _hex(self.state.proxy)
        self.chain.place(address, self.chain.code(made).hex())
        self.chain.store(address, _OWNER, int(DEPLOYER, 16))
        return address

    def deploy(self, name: str, types: tuple[str, ...] = (), *args: object) -> str:
        """Deploy a contract of this generation."""
        return self.create(f"{self.state.contract}/{name}", types, *args)

    def create(self, name: str, types: tuple[str, ...] = (), *args: object) -> str:
        """Deploy the artifact of that name."""
        return self.chain.deploy(self._artifacts[name]["bytecode"], encode(types, args))

    def send(self, to: str, signature: str, *args: object) -> None:
        """A call by the contracts' owner, which has to succeed."""
        outcome = self.chain.keep(to, calldata(signature, *args))
        if not outcome.ok:
            name = signature.partition("(")[0]
            raise Misuse(f"the contracts refuse this state: {name} reverts", field="state",
                         found=self._error(outcome.data))  # fmt: skip

    def _error(self, data: bytes) -> str:
        """The name of an error of these contracts: of some, only they know it."""
        for artifact in self._artifacts.values():
            for entry in artifact["abi"]:
                if entry["type"] == "error":
                    types = ",".join(each["type"] for each in entry["inputs"])
                    if selector(f"{entry['name']}({types})") == data[:4]:
                        return str(entry["name"])
        return "0x" + data.hex()


def _check(state: ChainlinkState) -> None:
    """Refuse a state for which a call by its subscriber cannot be made here."""
    access = state.access_controller
    if state.subscriber_is_contract and access is not None and access.admits_origins:
        raise Misuse(
            "every call here is a transaction that its sender signs, but the subscriber is a "
            "contract, and the access controller looks at who signed",
            field="state.subscriber_is_contract", expected="a subscriber that is an account",
        )  # fmt: skip


def _hex(address: bytes) -> str:
    return "0x" + address.hex()
