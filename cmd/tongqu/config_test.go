package main

import (
	"bytes"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tongqu/internal/directory"
)

func TestConfigCheck(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "not", "made", "yet")
	good := file(t, dir, "good.yaml", []byte("listen: 127.0.0.1:9\nintake: {rate: 2.5}\n"))
	r := runCommand(t, "config", "check", "--config", good, "--data", data)
	require.Equal(t, 0, r.code, r.out)
	require.Regexp(t, `(?m)^ok     configuration  `+regexp.QuoteMeta(good)+`$`, r.out)
	require.NoDirExists(t, filepath.Join(dir, "not"), "a check makes nothing")

	bad := file(t, dir, "bad.yaml", []byte("listne: 127.0.0.1:9\nintake:\n  filePoll: soon\n  rate: 1\n  rate: 2\n"))
	r = runCommand(t, "config", "check", "--config", bad, "--data", data)
	require.Equal(t, exitFindings, r.code)
	require.Contains(t, r.out, "wrong  configuration  "+bad+`:1:1: unknown key "listne"; did you mean "listen"?`)
	require.Contains(t, r.out, bad+":3:13: ")
	require.Contains(t, r.out, bad+`:5:3: key "rate" stands twice`)

	r = runCommand(t, "config", "check", "--config", bad, "--data", data, "-o", "json")
	require.Equal(t, exitFindings, r.code)
	var all []finding
	r.json(t, &all)
	require.False(t, all[0].OK)

	r = runCommand(t, "config", "check", "--config", file(t, dir, "values.yaml", []byte("intake: {maxBytes: 0, filePoll: 1ms}\nlog: {level: loud}\n")), "--data", data)
	require.Equal(t, exitFindings, r.code)
	for _, what := range []string{"intake.maxBytes", "intake.filePoll", "log.level"} {
		require.Contains(t, r.out, what)
	}

	// The override folder that the configuration names is looked at too.
	override := filepath.Join(dir, "override")
	file(t, override, "config/agencies/x.yaml", []byte("code: x\nprovides: [999/999]\n"))
	over := file(t, dir, "over.yaml", []byte("folders: {override: "+override+"}\n"))
	r = runCommand(t, "config", "check", "--config", over, "--data", data)
	require.Equal(t, exitFindings, r.code)
	require.Regexp(t, `wrong  directory +agencies/x\.yaml:\d+:\d+: `, r.out)

	r = runCommand(t, "config", "check", "--data", good)
	require.Equal(t, exitFindings, r.code)
	require.Contains(t, r.out, good+" is not a folder")
}

func TestConfigPrint(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TONGQU_TEST_SASL", "from-the-environment")
	f := file(t, dir, "c.yaml", []byte("kafka:\n  brokers: [kafka.example:9093]\n  sasl: {mechanism: plain, username: hub, password: \"${env:TONGQU_TEST_SASL}\"}\n"))
	r := runCommand(t, "config", "print", "--config", f)
	require.Equal(t, 0, r.code, r.err)
	require.Contains(t, r.out, "kafka.example:9093")
	require.Contains(t, r.out, "maxBytes: 16777216", "defaults are printed too")
	require.NotContains(t, r.out, "from-the-environment")
	require.Contains(t, r.out, "[REDACTED]")

	r = runCommand(t, "config", "print", "--config", f, "-o", "json")
	require.Equal(t, 0, r.code, r.err)
	require.NotContains(t, r.out, "from-the-environment")
	var c struct {
		Listen string
		Intake struct{ FilePoll string }
	}
	r.json(t, &c)
	require.Equal(t, "127.0.0.1:8080", c.Listen)
	require.Equal(t, "1s", c.Intake.FilePoll)

	f = file(t, dir, "env.yaml", []byte("data: ${env:TONGQU_TEST_UNSET}\n"))
	r = runCommand(t, "config", "print", "--config", f)
	require.Equal(t, exitFailure, r.code)
	require.Contains(t, r.err, f+":1:7: environment variable TONGQU_TEST_UNSET is not set")
}

// TestPrintedConfig reads what config print prints.
func TestPrintedConfig(t *testing.T) {
	dir := t.TempDir()
	printed := runCommand(t, "config", "print").out
	again := runCommand(t, "config", "print", "--config", file(t, dir, "printed.yaml", []byte(printed)))
	require.Equal(t, ran{out: printed}, again)
}

func TestDoctor(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // an address, at once
	require.NoError(t, err)
	free := ln.Addr().String()
	require.NoError(t, ln.Close())
	dir := t.TempDir()
	f := file(t, dir, "c.yaml", []byte("listen: "+free+"\ndata: "+dir+"\n"))
	r := runCommand(t, "doctor", "--config", f)
	require.Equal(t, 0, r.code, r.out)
	require.Contains(t, r.out, "not running; "+free+" is free")
	require.Equal(t, exitFailure, runCommand(t, "doctor", "--alive", "--config", f).code)

	answer, status := `{"status":"ready","checks":{"store":"ok"}}`, http.StatusOK
	hub := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(answer))
	}))
	defer hub.Close()
	r = runCommand(t, "doctor", "--config", f, "--url", hub.URL)
	require.Equal(t, 0, r.code, r.out)
	require.Contains(t, r.out, "running and ready at "+hub.URL)

	answer, status = `{"status":"not ready","checks":{"store":"ok","kafka":"no broker answers"}}`, http.StatusServiceUnavailable
	r = runCommand(t, "doctor", "--config", f, "--url", hub.URL)
	require.Equal(t, exitFindings, r.code)
	require.Contains(t, r.out, "kafka of the hub at "+hub.URL+": no broker answers")

	answer = "<html>"
	r = runCommand(t, "doctor", "--config", f, "--url", hub.URL, "-o", "json")
	require.Equal(t, exitFindings, r.code)
	require.Contains(t, r.out, "something else listens there")
	require.Equal(t, exitFailure, runCommand(t, "doctor", "--alive", "--url", hub.URL).code)
	status = http.StatusOK
	require.Equal(t, ran{}, runCommand(t, "doctor", "--alive", "--url", hub.URL))
}

func TestToken(t *testing.T) {
	r := runCommand(t, "token")
	require.Equal(t, 0, r.code)
	m := regexp.MustCompile(`^token:  (\S{26,})\nsha256: ([0-9a-f]{64})\n`).FindStringSubmatch(r.out)
	require.NotNil(t, m, r.out)
	require.Equal(t, directory.HashToken(m[1]), m[2])
	require.Equal(t, ran{out: m[2] + "\n"}, runWith(t, strings.NewReader(m[1]+"\n"), "token", "hash"))

	var made, hashed map[string]string
	runCommand(t, "token", "-o", "json").json(t, &made)
	require.NotEqual(t, m[1], made["token"])
	runWith(t, bytes.NewReader([]byte(made["token"])), "token", "hash", "-o", "json").json(t, &hashed)
	require.Equal(t, made["sha256"], hashed["sha256"])
}

func TestVersion(t *testing.T) {
	r := runCommand(t, "version")
	require.Equal(t, 0, r.code)
	require.Contains(t, r.out, "tongqu devel")
	var v map[string]string
	runCommand(t, "version", "-o", "json").json(t, &v)
	require.Equal(t, runtime.Version(), v["go"])
}
