package schemas

// Sources of conversations: adapters of package ingest.
const (
	SourceUpload = "upload" // POST /addtaskcall
	SourceAudio  = "audio"  // POST /addtaskaudio
	SourceChat   = "chat"   // POST /add_chat_analysis_task
	SourceEmail  = "email"  // the same, with e-mails
	SourceReport = "report" // POST /user/callreport: no conversation, but a task as well
)

// channelRoles says, by source, whose voice each channel of a recording
// carries, from channel 0. This is the one place for it: an adapter whose system
// records the sides otherwise adds a line.
var channelRoles = map[string][]string{
	SourceUpload: {RoleOperator, RoleCustomer},
	SourceAudio:  {}, // any recording: nobody need be an operator
}

// ChannelRoles gives the roles of the channels of a source's recordings, from
// channel 0, for calls that come without TaskSubmitted.Channels; those of an
// upload (operator left, customer right) for a source that says nothing else.
// Channels beyond it are RoleUnknown. The result is not to be changed.
func ChannelRoles(source string) []string {
	if roles, ok := channelRoles[source]; ok {
		return roles
	}
	return channelRoles[SourceUpload]
}
