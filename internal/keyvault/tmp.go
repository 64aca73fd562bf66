package keyvault

func (h *Handler) certificateRoutes() []Route { return nil }
