// SPDX-License-Identifier: MIT
pragma solidity 0.8.19;

interface IVerifierProxy {
    function verify(bytes calldata payload, bytes calldata parameter) external payable returns (bytes memory);
    function verifyBulk(bytes[] calldata payloads, bytes calldata parameter)
        external
        payable
        returns (bytes[] memory);
    function verifyView(bytes calldata payload) external view returns (bytes memory);
}

interface IStork {
    function verifySignedECDSAPayload(bytes calldata payload) external payable returns (bool);
}

interface IToken {
    function approve(address spender, uint256 amount) external returns (bool);
}

/// What a keeper calls instead of the proxy: a contract of its own, in some of the usual shapes.
contract Consumer {
    struct Order {
        uint256 id;
        bytes payload;
        address to;
    }

    error Paused();

    event Pulled(uint256 reports);
    event Refused(bytes reason);

    address private immutable _proxy;
    bool public takesEther;
    bool public paused;

    constructor(address proxy) {
        _proxy = proxy;
    }

    receive() external payable {
        require(takesEther, "Consumer: no ether");
    }

    function setTakesEther(bool takes) external {
        takesEther = takes;
    }

    function setPaused(bool stop) external {
        paused = stop;
    }

    function approve(address token, address spender, uint256 amount) external {
        IToken(token).approve(spender, amount);
    }

    function pull(bytes calldata payload, bytes calldata parameter) external payable {
        if (paused) revert Paused();
        IVerifierProxy(_proxy).verify{value: msg.value}(payload, parameter);
        emit Pulled(1);
    }

    function pullMany(bytes[] calldata payloads, bytes calldata parameter) external payable {
        IVerifierProxy(_proxy).verifyBulk{value: msg.value}(payloads, parameter);
        emit Pulled(payloads.length);
    }

    function fill(Order[] calldata orders, bytes calldata parameter) external {
        for (uint256 i; i < orders.length; ++i) {
            IVerifierProxy(_proxy).verify(orders[i].payload, parameter);
        }
        emit Pulled(orders.length);
    }

    /// Hands on the second payload alone.
    function pullSecond(bytes calldata, bytes calldata payload, bytes calldata parameter) external {
        IVerifierProxy(_proxy).verify(payload, parameter);
        emit Pulled(1);
    }

    /// Goes on where the verifier reverts.
    function pullTried(bytes calldata payload, bytes calldata parameter) external {
        try IVerifierProxy(_proxy).verify(payload, parameter) returns (bytes memory) {
            emit Pulled(1);
        } catch (bytes memory reason) {
            emit Refused(reason);
        }
    }

    function look(bytes calldata payload) external {
        IVerifierProxy(_proxy).verifyView(payload);
        emit Pulled(1);
    }

    function pullStork(bytes calldata payload) external payable {
        require(IStork(_proxy).verifySignedECDSAPayload{value: msg.value}(payload), "Consumer: signature");
        emit Pulled(1);
    }
}
