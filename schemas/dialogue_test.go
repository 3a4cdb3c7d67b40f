package schemas

import "testing"

func TestDialogueTextShowsWhatIsGuessed(t *testing.T) {
	half := 0.5
	got := DialogueText([]Utterance{
		{Speaker: RoleSystem, Text: "Please hold."},
		{Speaker: RoleOperator, Text: "Hello"},
		{Speaker: RoleOperator, Text: "Anna here", RoleConfidence: &half},
		{Speaker: RoleCustomer, Text: "Hi", RoleConfidence: &half},
		{Speaker: RoleUnknown, Text: "Who?"},
	})
	if want := "System: Please hold.\nOperator: Hello\nOperator?: Anna here\nClient?: Hi\nWho?"; got != want {
		t.Errorf("got %q", got)
	}
}

func TestEverySourceHasChannelRoles(t *testing.T) {
	for source, roles := range channelRoles {
		for _, role := range roles {
			if roleLabels[role] == "" && role != RoleUnknown {
				t.Errorf("%s: there is no role %q", source, role)
			}
		}
	}
	if got := ChannelRoles("a source of tomorrow"); len(got) != 2 || got[0] != RoleOperator || got[1] != RoleCustomer {
		t.Errorf("by default %q", got)
	}
}
