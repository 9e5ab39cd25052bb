package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"tongqu"
	"tongqu/internal/adapter"
	"tongqu/internal/app"
	"tongqu/internal/conf"
	"tongqu/internal/directory"
	"tongqu/internal/query"
	"tongqu/internal/wire"
)

// finding is one thing that was looked at.
type finding struct {
	Part string `json:"part"`
	OK   bool   `json:"ok"`
	Text string `json:"text"`
}

type findings struct{ list []finding }

func (fs *findings) add(part string, err error, text string) {
	var problems conf.Problems
	switch {
	case errors.As(err, &problems):
		for _, p := range problems {
			fs.list = append(fs.list, finding{part, false, p.String()})
		}
	case err != nil:
		fs.list = append(fs.list, finding{part, false, err.Error()})
	default:
		fs.list = append(fs.list, finding{part, true, text})
	}
}

func (fs *findings) verdict() error {
	for _, f := range fs.list {
		if !f.OK {
			return errFindings
		}
	}
	return nil
}

// diagnose looks at everything that needs no running hub.
func diagnose(o *options) *findings {
	var out findings
	c, err := o.loadConfig()
	name := o.config
	if name == "" {
		name = "defaults"
	}
	out.add("configuration", err, name)
	files, filesErr := o.files()
	if filesErr != nil {
		files = app.Overlay(tongqu.Files, o.override) // a wrong configuration is told once
	}
	r, err := adapter.Load(files, wire.NewDefaultLimits())
	if err == nil {
		err = r.Lint("").Or()
		out.add("adapters", err, fmt.Sprintf("%d adapters, %d canonical types", len(r.Adapters()), len(r.Types())))
	} else {
		out.add("adapters", err, "")
	}
	configFiles, err := fs.Sub(files, "config")
	if err == nil {
		var d *directory.Directory
		if d, err = directory.Load(configFiles); err == nil && r != nil {
			_, unaskable := query.NewRules(d, r, nil)
			err = errors.Join(app.CheckSubscriptions(r, d), unaskable)
		}
		if err == nil {
			out.add("directory", nil, fmt.Sprintf("%d resources, %d agencies, %d subscriptions", len(d.Resources()), len(d.Agencies()), len(d.Subscriptions())))
		}
	}
	if err != nil {
		out.add("directory", err, "")
	}
	out.add("data folder", writable(c.Data), c.Data)
	return &out
}

// writable tries to write into the folder, or into that in which it would be made.
func writable(dir string) error {
	for {
		info, err := os.Stat(dir)
		if err == nil && !info.IsDir() {
			return fmt.Errorf("%s is not a folder", dir)
		}
		if err == nil {
			break
		}
		if parent := filepath.Dir(dir); errors.Is(err, fs.ErrNotExist) && parent != dir {
			dir = parent
			continue
		}
		return err
	}
	f, err := os.CreateTemp(dir, ".doctor-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// askAlive returns nil when the hub answers, whatever its parts say.
func askAlive(ctx context.Context, o *options) error {
	c, err := o.loadConfig()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	resp, err := ask(ctx, hubURL(o, &c)+"/healthz")
	if err != nil {
		return fmt.Errorf("the hub does not answer: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the hub answers %s", resp.Status)
	}
	return nil
}

// hubURL is where the hub should be.
func hubURL(o *options, c *app.Config) string {
	if o.url != "" {
		return o.url
	}
	return "http://" + c.Listen
}

// ask reads an address once, and keeps no connection.
func ask(ctx context.Context, address string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	return (&http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}).RoundTrip(req)
}

// hub asks the running hub how its parts are, or whether one could listen.
func (fs *findings) hub(ctx context.Context, o *options) {
	c, err := o.loadConfig()
	if err != nil {
		return
	}
	target := hubURL(o, &c)
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	resp, err := ask(ctx, target+"/readyz")
	if err != nil {
		ln, listenErr := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Listen)
		if listenErr == nil {
			listenErr = ln.Close()
		}
		fs.add("hub", listenErr, "not running; "+c.Listen+" is free")
		return
	}
	defer func() { _ = resp.Body.Close() }()
	var answer struct {
		Checks map[string]string `json:"checks"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<16)).Decode(&answer); err != nil || len(answer.Checks) == 0 {
		fs.add("hub", fmt.Errorf("%s answers %s: something else listens there", target, resp.Status), "")
		return
	}
	for _, part := range slices.Sorted(maps.Keys(answer.Checks)) {
		if said := answer.Checks[part]; said != "ok" {
			fs.add("hub", fmt.Errorf("%s of the hub at %s: %s", part, target, said), "")
		}
	}
	if resp.StatusCode == http.StatusOK {
		fs.add("hub", nil, "running and ready at "+target)
	}
}
