package main

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"tongqu"
	"tongqu/internal/adapter"
	"tongqu/internal/app"
	"tongqu/internal/client"
	"tongqu/internal/conf"
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

// files are the built-in data with the override folder over them, the flag's or
// else the configuration file's.
func (o *options) files() (fs.FS, error) {
	c, err := o.loadConfig()
	return app.Overlay(tongqu.Files, c.Folders.Override), err
}

// registry loads the adapters; no configuration is needed for it.
func (o *options) registry() (*adapter.Registry, error) {
	files, err := o.files()
	if err != nil {
		return nil, err
	}
	return adapter.Load(files, wire.NewDefaultLimits())
}

// known refuses the name of an adapter that there is not; empty means all.
func known(r *adapter.Registry, name string) error {
	if name == "" || r.Adapter(name) != nil {
		return nil
	}
	names := make([]string, len(r.Adapters()))
	for i, a := range r.Adapters() {
		names[i] = a.Name
	}
	return usageError{fmt.Errorf("no adapter %q%s", name, conf.DidYouMean(name, names))}
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

// readFile reads a file, or standard input for "-".
func readFile(name string, in io.Reader) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(in)
	}
	return os.ReadFile(name)
}
