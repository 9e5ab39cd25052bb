package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"tongqu"
	"tongqu/internal/adapter"
	"tongqu/internal/app"
	"tongqu/internal/client"
	"tongqu/internal/wire"
)

// loadConfig reads the configuration and puts the flags over it.
func (o *options) loadConfig() (app.Config, error) {
	c, err := app.LoadConfig(o.config)
	if o.data != "" {
		c.Data = o.data
	}
	if o.override != "" {
		c.Folders.Override = o.override
	}
	return c, err
}

// registry loads the adapters; no configuration is needed for it.
func (o *options) registry() (*adapter.Registry, error) {
	return adapter.Load(app.Overlay(tongqu.Files, o.override), wire.NewDefaultLimits())
}

// client connects to the running hub.
func (o *options) client() (*client.Client, error) {
	c, err := o.loadConfig()
	if err != nil {
		return nil, err
	}
	hub, token := o.url, o.token
	if hub == "" {
		hub = "http://" + c.Listen
	}
	if token == "" {
		token = os.Getenv("TONGQU_TOKEN")
	}
	if token == "" {
		b, err := os.ReadFile(filepath.Join(c.Data, app.OperatorTokenFile))
		if err != nil {
			return nil, fmt.Errorf("no token: give --token, set TONGQU_TOKEN, or run where the hub's data folder is (%w)", err)
		}
		token = strings.TrimSpace(string(b))
	}
	return client.New(hub, token), nil
}

// printJSON prints v indented.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// table prints rows in columns.
func table(w io.Writer, header []string, rows [][]string) error {
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(tw, strings.Join(header, "\t"))
	for _, r := range rows {
		fmt.Fprintln(tw, strings.Join(r, "\t"))
	}
	return tw.Flush()
}

// readFile reads a file, or standard input for "-".
func readFile(name string, in io.Reader) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(in)
	}
	return os.ReadFile(name) //nolint:gosec // the user names the file
}
