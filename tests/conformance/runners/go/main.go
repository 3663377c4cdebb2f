// go-ethereum's abi package over the corpus: `conformance DIR NAME`.
package main

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/ethereum/go-ethereum/accounts/abi"
)

type record map[string]any

type schema struct {
	Schema string
	Fields [][2]string
}

type index struct {
	Files   map[string]int
	Schemas map[string]schema
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func arguments(types ...string) abi.Arguments {
	var out abi.Arguments
	for _, name := range types {
		kind, err := abi.NewType(name, "", nil)
		must(err)
		out = append(out, abi.Argument{Type: kind})
	}
	return out
}

// plain turns a value into what the corpus has: hex, or a decimal number, or a list of these.
func plain(value any) any {
	found := reflect.ValueOf(value)
	if found.Kind() != reflect.Slice && found.Kind() != reflect.Array {
		return fmt.Sprint(value)
	}
	if found.Type().Elem().Kind() == reflect.Uint8 {
		raw := make([]byte, found.Len())
		reflect.Copy(reflect.ValueOf(raw), found)
		return "0x" + hex.EncodeToString(raw)
	}
	items := make([]any, found.Len())
	for i := range items {
		items[i] = plain(found.Index(i).Interface())
	}
	return items
}

func named(types abi.Arguments, names []string, raw []byte) (record, error) {
	values, err := types.Unpack(raw)
	if err != nil {
		return nil, err
	}
	out := record{}
	for i, value := range values {
		out[names[i]] = plain(value)
	}
	return out, nil
}

var full = arguments("bytes32[3]", "bytes", "bytes32[]", "bytes32[]", "bytes32")
var parts = []string{"context", "report_blob", "rs", "ss", "raw_vs"}

func report(known schema, raw []byte) (record, error) {
	var names, types []string
	for _, field := range known.Fields {
		names, types = append(names, field[0]), append(types, field[1])
	}
	out, err := named(arguments(types...), names, raw)
	if err == nil {
		out["schema"] = known.Schema
	}
	return out, err
}

var functions = map[string]abi.Arguments{
	"verify(bytes,bytes)":                           arguments("bytes", "bytes"),
	"verifyBulk(bytes[],bytes)":                     arguments("bytes[]", "bytes"),
	"verifyView(bytes)":                             arguments("bytes"),
	"verifyBulkView(bytes[])":                       arguments("bytes[]"),
	"verifySignedECDSAPayload(bytes)":               arguments("bytes"),
	"verifyAndDeserializeSignedECDSAPayload(bytes)": arguments("bytes"),
}

// call finds the function by its selector, and decodes its arguments.
func call(raw []byte) (record, error) {
	for signature, types := range functions {
		method := abi.NewMethod(signature, signature[:strings.Index(signature, "(")],
			abi.Function, "", false, false, types, nil)
		if !bytes.HasPrefix(raw, method.ID) {
			continue
		}
		names := []string{"payload", "parameter"}
		if strings.Contains(signature, "[]") {
			names[0] = "payloads"
		}
		out, err := named(types, names, raw[4:])
		if err == nil {
			out["function"] = method.Sig
		}
		return out, err
	}
	return nil, fmt.Errorf("no such function")
}

func answer(form, input string, schemas map[string]schema) (out record) {
	defer func() {
		if broken := recover(); broken != nil {
			out = record{"crash": fmt.Sprint(broken)}
		}
	}()
	if form != "full_report" && form != "envelope" && form != "report" && form != "calldata" {
		return record{"skip": "no bytes of an ABI encoding"}
	}
	raw, err := hex.DecodeString(input[2:])
	must(err)
	var decoded record
	if form == "report" {
		known, found := schemas[hex.EncodeToString(raw[:min(2, len(raw))])]
		if !found {
			return record{"skip": "no types to decode by"}
		}
		decoded, err = report(known, raw)
	} else if form == "calldata" {
		decoded, err = call(raw)
	} else {
		decoded, err = named(full, parts, raw)
	}
	if err != nil {
		return record{"error": err.Error()}
	}
	return record{"decoded": decoded}
}

func main() {
	folder, say := os.Args[1], json.NewEncoder(os.Stdout)
	var known index
	raw, err := os.ReadFile(filepath.Join(folder, "corpus.json"))
	must(err)
	must(json.Unmarshal(raw, &known))
	must(say.Encode(record{"decoder": os.Args[2]}))
	for name := range known.Files {
		file, err := os.Open(filepath.Join(folder, name))
		must(err)
		lines := bufio.NewScanner(file)
		lines.Buffer(nil, 1<<24)
		for lines.Scan() {
			var one struct {
				ID, Form string
				Input    any
			}
			must(json.NewDecoder(strings.NewReader(lines.Text())).Decode(&one))
			input, _ := one.Input.(string)
			out := answer(one.Form, input, known.Schemas)
			out["id"] = one.ID
			must(say.Encode(out))
		}
		must(lines.Err())
	}
}
