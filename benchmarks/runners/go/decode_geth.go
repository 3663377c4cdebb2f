//go:build !vendor

// A report through go-ethereum's own ABI package: unpack and copy the outer tuple, then the body.
// The vendor's Go SDK decodes the same way, so this stands in for it where its module is not to
// be had. It is not the vendor's code, and the table says so.
package main

import (
	"math/big"

	"github.com/ethereum/go-ethereum/accounts/abi"
)

type envelope struct {
	Context [3][32]byte
	Blob    []byte
	Rs, Ss  [][32]byte
	Vs      [32]byte
}

type body struct {
	FeedID                           [32]byte
	ValidFrom, Observations, Expires uint32
	NativeFee, LinkFee               *big.Int
	Benchmark, Bid, Ask              *big.Int
}

type result struct {
	envelope
	body
}

func arguments(pairs ...[2]string) abi.Arguments {
	var out abi.Arguments
	for _, pair := range pairs {
		kind, err := abi.NewType(pair[1], "", nil)
		must(err)
		out = append(out, abi.Argument{Name: pair[0], Type: kind})
	}
	return out
}

var outer = arguments(
	[2]string{"Context", "bytes32[3]"}, [2]string{"Blob", "bytes"},
	[2]string{"Rs", "bytes32[]"}, [2]string{"Ss", "bytes32[]"}, [2]string{"Vs", "bytes32"})

var inner = arguments(
	[2]string{"FeedID", "bytes32"}, [2]string{"ValidFrom", "uint32"},
	[2]string{"Observations", "uint32"}, [2]string{"NativeFee", "uint192"},
	[2]string{"LinkFee", "uint192"}, [2]string{"Expires", "uint32"},
	[2]string{"Benchmark", "int192"}, [2]string{"Bid", "int192"}, [2]string{"Ask", "int192"})

func read(schema abi.Arguments, data []byte, into any) error {
	values, err := schema.Unpack(data)
	if err != nil {
		return err
	}
	return schema.Copy(into, values)
}

func decode(payload []byte) (result, error) {
	var r result
	if err := read(outer, payload, &r.envelope); err != nil {
		return r, err
	}
	return r, read(inner, r.Blob, &r.body)
}

func plain(r result) decoded {
	return decoded{
		context: r.Context, blob: r.Blob, rs: r.Rs, ss: r.Ss, vs: r.Vs, feedID: r.FeedID,
		validFrom: uint64(r.ValidFrom), observations: uint64(r.Observations),
		expires: uint64(r.Expires), nativeFee: r.NativeFee, linkFee: r.LinkFee,
		benchmark: r.Benchmark, bid: r.Bid, ask: r.Ask,
	}
}
