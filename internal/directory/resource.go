package directory

import (
	"regexp"
	"slices"
	"time"

	"tongqu/internal/record"
)

// Title is a name or a text in Chinese and English.
type Title struct {
	ZH string `yaml:"zh" json:"zh"`
	EN string `yaml:"en" json:"en"`
}

// Share is the share type (共享类型) of a resource.
type Share string

// The share types of the compilation guide, items 1, 2 and 3.
const (
	ShareUnconditional Share = "unconditional" // 无条件共享
	ShareConditional   Share = "conditional"   // 有条件共享
	ShareNone          Share = "none"          // 不予共享
)

// Resource is an entry of the directory, with the core metadata of
// 《政务信息资源目录编制指南（试行）》 (发改高技〔2017〕1272号). The information items
// (信息项信息) are those of the canonical schemas that Types name.
type Resource struct {
	// Code is 信息资源代码: 类 1 digit, 项 2, 目 3, "/", 顺序号 6, e.g. 301002/000001.
	Code string `yaml:"code" json:"code"`
	// Title is 信息资源名称.
	Title Title `yaml:"title" json:"title"`
	// Category is 信息资源分类, taken from the file the resource stands in.
	Category Title `yaml:"-" json:"category"`
	// Types are the canonical types without version, e.g. trade.order.
	Types []string `yaml:"types" json:"types"`
	// Summary is 信息资源摘要.
	Summary Title `yaml:"summary" json:"summary"`
	// Provider is 信息资源提供方, as roles; the agencies say which of them they are.
	Provider Title `yaml:"provider" json:"provider"`
	// Consumers are the roles that typically subscribe.
	Consumers Title `yaml:"consumers" json:"consumers"`
	// Format is 信息资源格式, by the guide's seven kinds (see formats).
	Format string `yaml:"format" json:"format"`
	Share  Share  `yaml:"share" json:"share"`
	// Condition is 共享条件; for ShareNone the legal basis.
	Condition Title `yaml:"condition" json:"condition,omitzero"`
	// Method is 共享方式: platform, mail, disc or medium.
	Method string `yaml:"method" json:"method"`
	// Open is 是否向社会开放, OpenCondition its 开放条件.
	Open          bool  `yaml:"open" json:"open"`
	OpenCondition Title `yaml:"openCondition" json:"openCondition,omitzero"`
	// Cycle is 更新周期: real-time, daily, weekly, monthly, quarterly, yearly,
	// on-event or on-request.
	Cycle string `yaml:"cycle" json:"cycle"`
	// Published is 发布日期.
	Published time.Time `yaml:"published" json:"published"`
	// Related are 关联资源代码.
	Related []string `yaml:"related" json:"related,omitempty"`
	// Personal says that records hold personal data, masked unless granted.
	Personal bool `yaml:"personal" json:"personal"`
	// Interfaces are the wire messages, ADAPTER/MESSAGE, by which it comes in.
	Interfaces []string `yaml:"interfaces" json:"interfaces,omitempty"`
	// Query says how it is asked through the hub; nil when it is not.
	Query *Asking `yaml:"query" json:"query,omitempty"`
	// Source says which policy document asks for the resource.
	Source string `yaml:"source" json:"source"`
}

// Holds reports whether records of the canonical type belong to the resource.
func (r *Resource) Holds(canonicalType string) bool {
	return slices.Contains(r.Types, record.Family(canonicalType))
}

var (
	codeForm   = regexp.MustCompile(`^[1-3][0-9]{5}/[0-9]{6}$`)
	typeForm   = regexp.MustCompile(`^[a-z][a-z0-9]*(\.[a-z0-9]+(-[a-z0-9]+)*)*$`)
	idForm     = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	formatForm = regexp.MustCompile(`^([a-z0-9_]+/[A-Za-z0-9_]+\+)*[a-z0-9_]+/[A-Za-z0-9_]+$`)
)

// The closed vocabularies of the attributes.
var (
	shares = []string{string(ShareUnconditional), string(ShareConditional), string(ShareNone)}
	// formats are 电子文件, 电子表格, 数据库, 图形图像, 流媒体, 自描述格式, 服务接口.
	formats = []string{"file", "spreadsheet", "database", "image", "stream", "self-describing", "service"}
	// methods are 共享平台方式, 邮件, 拷盘, 介质交换.
	methods = []string{"platform", "mail", "disc", "medium"}
	cycles  = []string{"real-time", "daily", "weekly", "monthly", "quarterly", "yearly", "on-event", "on-change", "on-request"}
	kinds   = []string{
		"customs", "inspection", "tax", "foreign-exchange", "police", "market-regulation", "food-drug", "commerce", "port",
		"single-window", "platform", "payment", "logistics", "declarant", "bank", "enterprise", "other",
	}
)
