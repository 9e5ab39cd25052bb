package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"time"

	"tongqu"
	"tongqu/internal/app"
	"tongqu/internal/conf"
	"tongqu/internal/directory"
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
	r, err := o.registry()
	if err == nil {
		err = r.Lint("").Or()
		out.add("adapters", err, fmt.Sprintf("%d adapters, %d canonical types", len(r.Adapters()), len(r.Types())))
	} else {
		out.add("adapters", err, "")
	}
	files, err := fs.Sub(app.Overlay(tongqu.Files, c.Folders.Override), "config")
	if err == nil {
		var d *directory.Directory
		if d, err = directory.Load(files); err == nil {
			out.add("directory", nil, fmt.Sprintf("%d resources, %d agencies, %d subscriptions", len(d.Resources()), len(d.Agencies()), len(d.Subscriptions())))
		}
	}
	if err != nil {
		out.add("directory", err, "")
	}
	out.add("data folder", writable(c.Data), c.Data)
	return &out
}

func writable(dir string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".doctor-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// hub asks the running hub how it is, or whether one could listen.
func (fs *findings) hub(ctx context.Context, o *options) {
	c, err := o.loadConfig()
	if err != nil {
		return
	}
	target := o.url
	if target == "" {
		target = "http://" + c.Listen
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target+"/readyz", nil)
	if err != nil {
		fs.add("hub", err, "")
		return
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		ln, listenErr := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Listen)
		if listenErr == nil {
			listenErr = ln.Close()
		}
		fs.add("hub", listenErr, "not running; "+c.Listen+" is free")
		return
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s/readyz answers %s", target, resp.Status)
	}
	fs.add("hub", err, "running and ready at "+target)
}
