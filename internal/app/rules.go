package app

import (
	"fmt"
	"io/fs"

	"tongqu/internal/adapter"
	"tongqu/internal/directory"
	"tongqu/internal/query"
	"tongqu/internal/wire"
)

// rules are what the data folders say: adapters, directory, masks. They do not
// change; a reload makes others.
type rules struct {
	registry  *adapter.Registry
	directory *directory.Directory
	maskers   map[string]*directory.Masker // by canonical type
	queries   *query.Rules
}

// loadRules loads and checks adapters, directory and agencies. What is wrong with
// them comes back as conf.Problems.
func loadRules(c *Config, files fs.FS) (*rules, error) {
	limits := wire.NewDefaultLimits()
	limits.MaxBytes = int(c.Intake.MaxBytes)
	registry, err := adapter.Load(files, limits)
	if err != nil {
		return nil, fmt.Errorf("loading adapters: %w", err)
	}
	configFiles, err := fs.Sub(files, "config")
	if err != nil {
		return nil, fmt.Errorf("opening config: %w", err)
	}
	load := directory.Load
	if c.Demo {
		load = directory.LoadDemo
	}
	d, err := load(configFiles)
	if err != nil {
		return nil, fmt.Errorf("loading directory: %w", err)
	}
	if err := CheckSubscriptions(registry, d); err != nil {
		return nil, fmt.Errorf("checking subscriptions: %w", err)
	}
	maskers, err := loadMaskers(registry)
	if err != nil {
		return nil, err
	}
	queries, err := query.NewRules(d, registry, maskers)
	if err != nil {
		return nil, fmt.Errorf("checking queries: %w", err)
	}
	return &rules{registry: registry, directory: d, maskers: maskers, queries: queries}, nil
}

// loadMaskers makes the masks of personal data, by canonical type.
func loadMaskers(registry *adapter.Registry) (map[string]*directory.Masker, error) {
	maskers := map[string]*directory.Masker{}
	for _, t := range registry.Types() {
		s, ok := registry.Canonical(t)
		if !ok {
			return nil, fmt.Errorf("no canonical schema %s", t)
		}
		m, err := directory.NewMasker(s.Shape())
		if err != nil {
			return nil, fmt.Errorf("masking %s: %w", t, err)
		}
		maskers[t] = m
	}
	return maskers, nil
}
