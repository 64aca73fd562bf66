package arm

// Detected is what a detector found (DetectorResponse's properties). Azure's clients know these shapes.
type Detected struct {
	Metadata   DetectorInfo   `json:"metadata"`
	Dataset    []DataTable    `json:"dataset"`
	Status     DetectorStatus `json:"status"`
	Providers  []DataProvider `json:"dataProvidersMetadata,omitempty"`
	Utterances *struct{}      `json:"suggestedUtterances,omitempty"` // never: they are for a portal's search box
}

// DetectorInfo says what a detector is.
type DetectorInfo struct {
	ID          string         `json:"id"`
	Name        string         `json:"name"`
	Description string         `json:"description"`
	Author      string         `json:"author"`
	Category    string         `json:"category"`
	Topics      []SupportTopic `json:"supportTopicList,omitempty"`
	Analysis    []string       `json:"analysisType,omitempty"`
	Type        string         `json:"type"` // Detector
	Score       float64        `json:"score"`
}

// SupportTopic is a place in Azure's self-help texts.
type SupportTopic struct {
	ID  string `json:"id"`
	Pes string `json:"pesId"`
}

// DetectorStatus is a verdict in short: Critical, Warning, Info, Success or, in lists, None.
type DetectorStatus struct {
	Message string `json:"message"`
	ID      string `json:"statusId"`
}

// DataProvider says where what a detector saw came from.
type DataProvider struct {
	Name string     `json:"providerName"`
	Bag  []KeyValue `json:"propertyBag"`
}

// KeyValue is a pair.
type KeyValue struct {
	Key   string `json:"key"`
	Value any    `json:"value"`
}

// DataTable is a table with the way in which it is to be shown (DiagnosticData).
type DataTable struct {
	Table  Table     `json:"table"`
	Render Rendering `json:"renderingProperties"`
}

// Table has rows of texts.
type Table struct {
	Name    string     `json:"tableName"`
	Columns []Column   `json:"columns"`
	Rows    [][]string `json:"rows"`
}

// Column is a column of a table.
type Column struct {
	Name string  `json:"columnName"`
	Data string  `json:"dataType"`
	Type *string `json:"columnType,omitempty"`
}

// Rendering is how a table is to be shown.
type Rendering struct {
	Type        string `json:"type"` // Insights, Markdown, Table ...
	Title       string `json:"title"`
	Description string `json:"description"`
}

// Texts is a table all of whose columns are texts.
func Texts(name string, columns []string, rows [][]string, how Rendering) DataTable {
	t := DataTable{Table: Table{Name: name, Rows: rows}, Render: how}
	for _, c := range columns {
		t.Table.Columns = append(t.Table.Columns, Column{Name: c, Data: "String"})
	}
	if t.Table.Rows == nil {
		t.Table.Rows = [][]string{}
	}
	return t
}
