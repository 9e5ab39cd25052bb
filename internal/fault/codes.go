package fault

import "slices"

// Code is a stable name of a kind of fault; tests, receipts and metrics rely on it.
type Code string

// The closed set of codes. The first word names the stage that finds the fault.
const (
	// Reading bytes into a tree.
	DocumentEmpty         Code = "DOCUMENT_EMPTY"
	DocumentTooLarge      Code = "DOCUMENT_TOO_LARGE"
	DocumentTooDeep       Code = "DOCUMENT_TOO_DEEP"
	DocumentTooManyNodes  Code = "DOCUMENT_TOO_MANY_NODES"
	DocumentTooManyAttrs  Code = "DOCUMENT_TOO_MANY_ATTRIBUTES"
	DocumentNotReadable   Code = "DOCUMENT_NOT_READABLE"
	CharsetUnknown        Code = "CHARSET_UNKNOWN"
	CharsetInvalid        Code = "CHARSET_INVALID"
	CharsetMismatch       Code = "CHARSET_MISMATCH"
	CharsetNotWritable    Code = "CHARSET_NOT_WRITABLE"
	XMLNotWellFormed      Code = "XML_NOT_WELL_FORMED"
	XMLTruncated          Code = "XML_TRUNCATED"
	XMLDoctype            Code = "XML_DOCTYPE"
	XMLEntity             Code = "XML_ENTITY"
	XMLPrefixUndeclared   Code = "XML_PREFIX_UNDECLARED"
	XMLDuplicateAttribute Code = "XML_DUPLICATE_ATTRIBUTE"
	JSONNotWellFormed     Code = "JSON_NOT_WELL_FORMED"
	JSONTruncated         Code = "JSON_TRUNCATED"
	JSONDuplicateKey      Code = "JSON_DUPLICATE_KEY"
	CSVNotWellFormed      Code = "CSV_NOT_WELL_FORMED"
	CSVColumnUnknown      Code = "CSV_COLUMN_UNKNOWN"
	CSVColumnTwice        Code = "CSV_COLUMN_TWICE"
	CSVRowLength          Code = "CSV_ROW_LENGTH"

	// Recognising the document.
	DocumentUnknown   Code = "DOCUMENT_UNKNOWN"
	NamespaceWrong    Code = "NAMESPACE_WRONG"
	NamespaceMissing  Code = "NAMESPACE_MISSING"
	EnvelopeInvalid   Code = "ENVELOPE_INVALID"
	EnvelopeTooNested Code = "ENVELOPE_TOO_NESTED"
	NoRecords         Code = "DOCUMENT_NO_RECORDS"
	TypeUnknown       Code = "DOCUMENT_TYPE_UNKNOWN"

	// Checking against a schema.
	SchemaRequired   Code = "SCHEMA_REQUIRED"
	SchemaUnexpected Code = "SCHEMA_UNEXPECTED"
	SchemaOrder      Code = "SCHEMA_ORDER"
	SchemaTooFew     Code = "SCHEMA_TOO_FEW"
	SchemaTooMany    Code = "SCHEMA_TOO_MANY"
	SchemaTooShort   Code = "SCHEMA_TOO_SHORT"
	SchemaTooLong    Code = "SCHEMA_TOO_LONG"
	SchemaPattern    Code = "SCHEMA_PATTERN"
	SchemaEnum       Code = "SCHEMA_ENUM"
	SchemaConst      Code = "SCHEMA_CONST"
	SchemaType       Code = "SCHEMA_TYPE"
	SchemaFormat     Code = "SCHEMA_FORMAT"
	SchemaDigits     Code = "SCHEMA_DIGITS"
	SchemaRange      Code = "SCHEMA_RANGE"
	SchemaText       Code = "SCHEMA_TEXT"
	SchemaBlanks     Code = "SCHEMA_BLANKS"
	SchemaCondition  Code = "SCHEMA_CONDITION"

	// Translating.
	MapValue      Code = "MAP_VALUE"
	MapCode       Code = "MAP_CODE"
	MapTime       Code = "MAP_TIME"
	MapNumber     Code = "MAP_NUMBER"
	MapCount      Code = "MAP_COUNT"
	MapMissing    Code = "MAP_MISSING"
	MapExpression Code = "MAP_EXPRESSION"

	// Rules beyond the schema.
	RuleCheckDigit Code = "RULE_CHECK_DIGIT"
	RuleSum        Code = "RULE_SUM"
	RuleCodeList   Code = "RULE_CODE_LIST"
	RuleCondition  Code = "RULE_CONDITION"

	// Batches of files.
	BatchAlone   Code = "BATCH_ALONE"
	BatchControl Code = "BATCH_CONTROL"
	BatchMissing Code = "BATCH_MISSING"
	BatchUnnamed Code = "BATCH_UNNAMED"
	BatchForeign Code = "BATCH_FOREIGN"
	BatchCount   Code = "BATCH_COUNT"
	BatchName    Code = "BATCH_NAME"

	// Intake.
	DuplicateRecord Code = "DUPLICATE_RECORD"
	DuplicateStale  Code = "DUPLICATE_STALE"
	AnswersNothing  Code = "ANSWERS_NOTHING"
	AttachmentLeft  Code = "ATTACHMENT_LEFT"
	NotEntitled     Code = "NOT_ENTITLED"
	Unauthorized    Code = "UNAUTHORIZED"
	NotFound        Code = "NOT_FOUND"
	BadRequest      Code = "BAD_REQUEST"
	RateLimited     Code = "RATE_LIMITED"
	NotRecorded     Code = "NOT_RECORDED"
	Internal        Code = "INTERNAL"

	// Delivery.
	DeliveryRefused     Code = "DELIVERY_REFUSED"
	DeliveryUnreachable Code = "DELIVERY_UNREACHABLE"
	DeliveryNotEncoded  Code = "DELIVERY_NOT_ENCODED"

	// Queries.
	QueryNotEntitled Code = "QUERY_NOT_ENTITLED"
	QueryKey         Code = "QUERY_KEY"
	QueryUnavailable Code = "QUERY_UNAVAILABLE"
	QueryTimeout     Code = "QUERY_TIMEOUT"
	QueryAnswer      Code = "QUERY_ANSWER"
)

type text struct{ zh, en string }

// texts has every code's text; {0}, {1} are the arguments given to New.
var texts = map[Code]text{
	DocumentEmpty:         {"报文为空", "the document is empty"},
	DocumentTooLarge:      {"报文超过大小上限 {0} 字节", "the document is larger than the limit of {0} bytes"},
	DocumentTooDeep:       {"报文嵌套超过 {0} 层", "the document is nested deeper than {0} levels"},
	DocumentTooManyNodes:  {"报文元素超过 {0} 个", "the document has more than {0} elements"},
	DocumentTooManyAttrs:  {"元素属性超过 {0} 个", "an element has more than {0} attributes"},
	DocumentNotReadable:   {"报文不是 XML、JSON 或 CSV", "the document is neither XML nor JSON nor CSV"},
	CharsetUnknown:        {"不支持的字符集 {0}", "unsupported charset {0}"},
	CharsetInvalid:        {"报文内容不是有效的 {0} 编码", "the bytes are not valid {0}"},
	CharsetMismatch:       {"报文声明字符集 {0}，实际为 {1}，按实际字符集读取", "declared as {0} but encoded as {1}; read as {1}"},
	CharsetNotWritable:    {"字符 {0} 无法用 {1} 编码写出", "character {0} cannot be written in {1}"},
	XMLNotWellFormed:      {"XML 格式错误：{0}", "XML is not well-formed: {1}"},
	XMLTruncated:          {"XML 不完整：第 {1} 行第 {2} 列的 {0} 没有结束", "XML ends too early: {0} of line {1} column {2} is not closed"},
	XMLDoctype:            {"不允许 DOCTYPE 声明", "a DOCTYPE is not allowed"},
	XMLEntity:             {"不允许的实体引用 {0}", "entity {0} is not allowed"},
	XMLPrefixUndeclared:   {"命名空间前缀 {0} 未声明", "namespace prefix {0} is not declared"},
	XMLDuplicateAttribute: {"属性 {0} 重复", "attribute {0} stands twice"},
	JSONNotWellFormed:     {"JSON 格式错误：{0}", "JSON is not well-formed: {1}"},
	JSONTruncated:         {"JSON 不完整", "JSON ends too early"},
	JSONDuplicateKey:      {"JSON 键 {0} 重复", "JSON key {0} stands twice"},
	CSVNotWellFormed:      {"CSV 格式错误：{0}", "CSV is not well-formed: {1}"},
	CSVColumnUnknown:      {"列 {0} 未定义，其内容未读取", "column {0} is not known; what it holds is not read"},
	CSVColumnTwice:        {"列 {0} 重复", "column {0} stands twice"},
	CSVRowLength:          {"该行有 {0} 格，表头有 {1} 列", "the row has {0} cells, the header has {1} columns"},

	DocumentUnknown:   {"没有适配器能识别该报文（根元素 {0}，命名空间 {1}）", "no adapter knows this document (root {0}, namespace {1})"},
	NamespaceWrong:    {"命名空间应为 {0}，实际为 {1}", "the namespace must be {0}, not {1}"},
	NamespaceMissing:  {"缺少命名空间 {0}", "namespace {0} is missing"},
	EnvelopeInvalid:   {"信封内容无法取出：{0}", "the envelope cannot be opened: {0}"},
	EnvelopeTooNested: {"信封嵌套超过 {0} 层", "envelopes are nested deeper than {0}"},
	NoRecords:         {"报文中没有 {0}", "the document holds no {0}"},
	TypeUnknown:       {"没有规范类型 {0}", "there is no canonical type {0}"},

	SchemaRequired:   {"缺少必填项 {0}", "required {0} is missing"},
	SchemaUnexpected: {"不应出现 {0}", "{0} is not expected here"},
	SchemaOrder:      {"{0} 的顺序不对，应在 {1} 之前", "{0} is out of order: it belongs before {1}"},
	SchemaTooFew:     {"{0} 至少 {1} 个，实际 {2} 个", "{0} must stand at least {1} times, found {2}"},
	SchemaTooMany:    {"{0} 最多 {1} 个，实际 {2} 个", "{0} may stand at most {1} times, found {2}"},
	SchemaTooShort:   {"长度 {1} 小于下限 {0}", "length {1} is below the minimum of {0}"},
	SchemaTooLong:    {"长度 {1} 超过上限 {0}", "length {1} is above the maximum of {0}"},
	SchemaPattern:    {"值不符合格式 {0}", "the value does not match {0}"},
	SchemaEnum:       {"值应为 {0} 之一", "the value must be one of {0}"},
	SchemaConst:      {"值应为 {0}", "the value must be {0}"},
	SchemaType:       {"类型应为 {0}，实际为 {1}", "must be {0}, not {1}"},
	SchemaFormat:     {"不是有效的 {0}", "not a valid {0}"},
	SchemaDigits:     {"数值最多 {0} 位，其中小数最多 {1} 位", "at most {0} digits, {1} of them after the point"},
	SchemaRange:      {"数值超出范围：{0}", "out of range: {0}"},
	SchemaText:       {"元素 {0} 内不应有文本", "element {0} must not hold text"},
	SchemaBlanks:     {"值的首尾有空白，已去除", "the value has blanks around it; they were removed"},
	SchemaCondition:  {"不满足条件：{0}", "condition not met: {0}"},

	MapValue:      {"值无法转换：{0}", "the value cannot be translated: {0}"},
	MapCode:       {"代码不在代码表 {0} 中", "the code is not in list {0}"},
	MapCount:      {"记录数应为 {0}，与报文中的记录数一致", "the document has {0} records; the number must say so"},
	MapTime:       {"时间格式应为 {0}", "the time must have the form {0}"},
	MapNumber:     {"不是有效的数值", "not a number"},
	MapMissing:    {"目标格式必填项 {0} 没有值", "the target format needs {0}, which has no value"},
	MapExpression: {"表达式 {0} 无法计算：{1}", "expression {0} cannot be computed: {1}"},

	RuleCheckDigit: {"校验位不正确（{0}）", "the check digit is wrong ({0})"},
	RuleSum:        {"金额不符：{0} 应等于 {1}（{2}），实际 {3}", "does not add up: must be {1} ({2}), found {3}"},
	RuleCondition:  {"{0}", "{1}"},
	RuleCodeList:   {"代码不在代码表 {0} 中", "the code is not in list {0}"},

	BatchAlone:   {"该文件属于批次，须与控制文件及其列出的全部文件一起发送", "the file is part of a batch: send it together with the control file and all files that it names"},
	BatchControl: {"批次应有一个控制文件，实际有 {0} 个", "a batch has one control file; this one has {0}"},
	BatchMissing: {"缺少控制文件列出的文件 {0}", "file {0}, which the control file names, is missing"},
	BatchUnnamed: {"控制文件没有列出文件 {0}", "the control file does not name {0}"},
	BatchForeign: {"文件 {0} 属于接口 {1}，不属于该批次", "file {0} is of the interface {1}, not of this batch"},
	BatchCount:   {"控制文件声明 {0} 个文件，实际列出 {1} 个", "the control file says {0} files and names {1}"},
	BatchName:    {"文件名 {0} 与内容或其他文件不符：{1} 应为 {2}", "the file name {0} does not agree with its content or the other files: {1} should be {2}"},

	DuplicateRecord: {"单证已收到，编号 {0}", "this record was already received as {0}"},
	DuplicateStale:  {"接收报文为旧报文数据（{0}），已存在较新的单证 {1}（{2}）", "older ({0}) than the record already held: {1} ({2})"},
	AttachmentLeft:  {"附件 {0} 未随报文收取，仍在压缩包中", "attachment {0} was not taken with the document; it stays in the zip"},
	AnswersNothing:  {"所答单证尚未收到", "what this answers has not been received so far"},
	NotEntitled:     {"单位 {0} 无权提供 {1}", "agency {0} is not entitled to provide {1}"},
	Unauthorized:    {"令牌无效或缺失", "the token is missing or wrong"},
	NotFound:        {"未找到 {0}", "{0} is not found"},
	BadRequest:      {"请求有误：{0}", "bad request: {0}"},
	RateLimited:     {"请求过于频繁，请在 {0} 秒后重试", "too many requests; try again in {0} s"},
	NotRecorded:     {"暂时无法保存，未接收任何内容，请重新发送", "could not be recorded; nothing was kept, send it again"},
	Internal:        {"系统内部错误，编号 {0}", "internal error, reference {0}"},

	DeliveryRefused:     {"订阅方拒收（{0}）", "the subscriber refused it ({0})"},
	DeliveryUnreachable: {"订阅方暂不可达（{0}）", "the subscriber cannot be reached ({0})"},
	DeliveryNotEncoded:  {"无法转换为 {0}：{1}", "cannot be encoded as {0}: {1}"},

	QueryNotEntitled: {"单位 {0} 无权查询 {1}", "agency {0} is not entitled to ask {1}"},
	QueryKey:         {"查询 {0} 须给出一个业务键和值，可用的业务键：{1}", "a question about {0} is one business key and its value; its keys are {1}"},
	QueryUnavailable: {"提供方接口暂不可用（{0}）", "the interface of the agency that knows is not available ({0})"},
	QueryTimeout:     {"提供方接口在 {0} 内未答复", "the interface of the agency that knows did not answer within {0}"},
	QueryAnswer:      {"提供方接口的答复无法理解（{0}）", "the answer of the agency that knows cannot be understood ({0})"},
}

// Codes returns every code, sorted.
func Codes() []Code {
	all := make([]Code, 0, len(texts))
	for c := range texts {
		all = append(all, c)
	}
	slices.Sort(all)
	return all
}
