package main

import (
	"context"
	"errors"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/monitor/armmonitor"
)

// log is what armmonitor saw of the activity log.
type log struct {
	First, Selected                         armmonitor.EventData
	All, Tenant, Group, Correlation, Nobody []string // ids of events
	URI, Provider, Other                    []string
	Pages                                   int
	Categories                              []string
	Refused                                 refused
}

const span = "eventTimestamp ge '2020-01-01T00:00:00Z' and eventTimestamp le '2099-01-01T00:00:00Z'"

// drain reads a list to its end, and counts its pages.
func drain[P any](ctx context.Context, pager *runtime.Pager[P], events func(P) []*armmonitor.EventData) (list []*armmonitor.EventData, pages int, err error) {
	for pager.More() {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return nil, pages, err
		}
		list = append(list, events(page)...)
		pages++
	}
	return list, pages, nil
}

func ids(list []*armmonitor.EventData) (ids []string) {
	for _, e := range list {
		ids = append(ids, value(e.EventDataID))
	}
	return ids
}

func monitor(ctx context.Context) (l log, err error) {
	who, err := credential()
	if err != nil {
		return l, err
	}
	factory, err := armmonitor.NewClientFactory(subscription, who, &arm.ClientOptions{ClientOptions: here()})
	if err != nil {
		return l, err
	}
	values := func(p armmonitor.ActivityLogsClientListResponse) []*armmonitor.EventData { return p.Value }
	read := func(filter string, o *armmonitor.ActivityLogsClientListOptions) ([]*armmonitor.EventData, int, error) {
		return drain(ctx, factory.NewActivityLogsClient().NewListPager(filter, o), values)
	}
	all, pages, err := read(span, nil)
	if err != nil || len(all) == 0 {
		return l, errors.Join(err, errors.New("the activity log"))
	}
	l.First, l.All, l.Pages = *all[len(all)-1], ids(all), pages
	const shop = "/subscriptions/" + subscription + "/resourceGroups/" + group + "/providers/Microsoft.CertificateRegistration/certificateOrders/shop"
	for filter, at := range map[string]*[]string{"resourceGroupName eq 'MANY'": &l.Group, "resourceUri eq '" + shop + "'": &l.URI, "resourceProvider eq 'Microsoft.CertificateRegistration'": &l.Provider,
		"resourceProvider eq 'Microsoft.Compute'": &l.Other, "correlationId eq '" + value(l.First.CorrelationID) + "'": &l.Correlation} {
		list, _, err := read(span+" and "+filter, nil)
		if err != nil {
			return l, err
		}
		*at = ids(list)
	}
	selected, _, err := read(span, &armmonitor.ActivityLogsClientListOptions{Select: pointer("eventName,eventDataId,level")})
	if err != nil {
		return l, err
	}
	l.Selected = *selected[len(selected)-1]
	nobody, _, err := read("eventTimestamp ge '2098-01-01T00:00:00Z'", nil)
	if err != nil {
		return l, err
	}
	l.Nobody = ids(nobody)
	tenant, _, err := drain(ctx, factory.NewTenantActivityLogsClient().NewListPager(&armmonitor.TenantActivityLogsClientListOptions{Filter: pointer(span)}),
		func(p armmonitor.TenantActivityLogsClientListResponse) []*armmonitor.EventData { return p.Value })
	if err != nil {
		return l, err
	}
	l.Tenant = ids(tenant)
	for pager := factory.NewEventCategoriesClient().NewListPager(nil); pager.More(); {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return l, err
		}
		for _, c := range page.Value {
			l.Categories = append(l.Categories, value(c.Value))
		}
	}
	_, _, err = read("resourceGroupName eq 'x'", nil)
	var r *azcore.ResponseError
	if !errors.As(err, &r) {
		return l, errors.Join(err, errors.New("a filter without a start is not refused"))
	}
	l.Refused = refused{r.StatusCode, r.ErrorCode, ""}
	return l, nil
}
